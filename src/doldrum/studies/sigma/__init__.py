"""The study "sigma" measures how the effect of a trigger on smoothness changes if one setting is changed at a time.

Code that other studies share is in files of `doldrum.studies`. The page of the study is made in
`doldrum.report.studies`.
"""

QUESTION = "how do the verdicts depend on strength, draws, clipping and estimator?"
