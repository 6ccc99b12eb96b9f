"""The page of the study inspection, which compares every model with reference models, and summarises the verdicts.

Code that the pages of other studies share is in the files of `doldrum.report.studies`.
"""
