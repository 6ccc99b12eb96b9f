"""The page of the study detection. It compares detectors for each attack, with bad calibration sets, and with their papers.

Code that the pages of other studies share is in the files of `doldrum.report.studies`.
"""
