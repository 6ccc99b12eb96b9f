"""The page of the study detection, which compares detectors: by attack, with bad calibration sets, and with papers.

Code that the pages of other studies share is in the files of `doldrum.report.studies`.
"""
