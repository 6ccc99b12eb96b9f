"""Published data sets, one per file.

Each module finds its data set, checks the files against the published ones, and says how to get the data set.

Not in this package: the formats of the user's own files (`readers`), and the list of the data sets (`registry` in the
folder above).
"""
