"""The page of the study "cleansing" shows how much of a backdoor is left after cleansing, and the cost in accuracy.

Code that the pages of other studies share is in the files of `doldrum.report.studies`.
"""
