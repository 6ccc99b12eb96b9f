"""The study "detection" runs all detectors, and measures their error rates.

Code that other studies share is in files of `doldrum.studies`. The page of the study is made in
`doldrum.report.studies`.
"""

QUESTION = "which detectors find triggered inputs, and keep the promised rate of false alarms?"
