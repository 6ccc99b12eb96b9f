"""The study "success" measures a model at chosen steps of its training.

Code that other studies share is in files of `doldrum.studies`. The page of the study is made in
`doldrum.report.studies`.
"""

QUESTION = "is the model smoother if the attack succeeds more often?"
