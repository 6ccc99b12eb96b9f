"""The page of the study "sigma" shows the effect of the trigger on W by strength, number of draws, estimator and
clipping.

Code that the pages of other studies share is in the files of `doldrum.report.studies`.
"""
