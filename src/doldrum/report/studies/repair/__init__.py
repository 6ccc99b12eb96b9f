"""The page of the study "repair" shows the success of the true trigger and the accuracy, before and after the repair.

Code that the pages of other studies share is in the files of `doldrum.report.studies`.
"""
