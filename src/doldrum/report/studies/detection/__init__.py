"""The page of the study detection, which compares detectors for each attack, with bad calibration sets, and with their papers.

Code that the pages of other studies share is in the files of `doldrum.report.studies`.
"""
