"""The study "smoothing" measures models without and with the trigger, with the code in `doldrum.studies.compare`.

Code that other studies share is in files of `doldrum.studies`. The page of the study is made in
`doldrum.report.studies`.
"""

QUESTION = "is the model smoother around inputs with the trigger?"
