"""The page of the study "success" shows the relation of smoothness and attack success, and measurements during
training.

Code that the pages of other studies share is in the files of `doldrum.report.studies`.
"""
