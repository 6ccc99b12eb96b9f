"""Published data sets, one per file: where it is looked for, how it is checked against what was published, and how to get it.

No formats that users bring (`readers`) and no list of the sets (`registry` in the folder above).
"""
