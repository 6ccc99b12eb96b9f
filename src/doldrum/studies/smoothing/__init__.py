"""The study smoothing: its grids; what it measures of each model is `compare`, which the study success shares.

Not here: what another study needs too (files of `doldrum.studies`), and its page (`doldrum.report.studies`).
"""

QUESTION = "is the model smoother around inputs with the trigger?"
