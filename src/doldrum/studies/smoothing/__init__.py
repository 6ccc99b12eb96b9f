"""The study smoothing: its grids; what it measures of each model is `compare`, which the study success shares.

Not here: what another study needs too (files of `doldrum.studies`), and its page (`doldrum.report.studies`).
"""

QUESTION = "smoothness rises when the trigger is added"
