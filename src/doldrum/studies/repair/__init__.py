"""The study "repair" measures the effect of repairs on a model.

Code that other studies share is in files of `doldrum.studies`. The page of the study is made in
`doldrum.report.studies`.
"""

QUESTION = "does a repair remove the backdoor, and what does it cost?"
