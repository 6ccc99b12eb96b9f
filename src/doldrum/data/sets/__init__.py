"""Published data sets, one per file.

Each file finds its data set, checks it against what was published, and says how to get it.

Not in this package: the formats of the user's own files (`readers`), and the list of the data sets (`registry` in the
folder above).
"""
