"""The page of the study patterns, which compares artificial patterns with true triggers, and tests if they can be distinguished.

Code that the pages of other studies share is in the files of `doldrum.report.studies`.
"""
