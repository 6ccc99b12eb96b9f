"""Models of other kinds and libraries as Classifiers: one kind per file, imported when a model of it is given.

No reading of files that may be hostile (`suspects`), and nothing that the contract (`base`) needs.
"""
