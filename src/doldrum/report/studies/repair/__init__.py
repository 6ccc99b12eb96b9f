"""The page of the study repair: success of the true trigger and accuracy, before and after the repair.

Code that the pages of other studies share is in the files of `doldrum.report.studies`.
"""
