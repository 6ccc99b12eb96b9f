"""The study smoothing: it defines grids. Its measurement of a model is `doldrum.studies.compare`, which the study success uses too.

Code that other studies share is in files of `doldrum.studies`. The page of the study is made in `doldrum.report.studies`.
"""

QUESTION = "is the model smoother around inputs with the trigger?"
