"""The page of the study patterns, which tests if artificial patterns and true triggers can be distinguished.

Code that the pages of other studies share is in the files of `doldrum.report.studies`.
"""
