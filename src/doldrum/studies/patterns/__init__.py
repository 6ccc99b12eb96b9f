"""The study "patterns" measures the effect of a pattern on a model.

Code that other studies share is in files of `doldrum.studies`. The page of the study is made in
`doldrum.report.studies`.
"""

QUESTION = "do artificial patterns other than triggers make a model smoother too?"
