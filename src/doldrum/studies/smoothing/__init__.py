"""The study smoothing: it defines grids, and measures models with `doldrum.studies.compare`, as study success does.

Code that other studies share is in files of `doldrum.studies`. The page of the study is made in
`doldrum.report.studies`.
"""

QUESTION = "is the model smoother around inputs with the trigger?"
