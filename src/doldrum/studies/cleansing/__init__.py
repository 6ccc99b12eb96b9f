"""The study "cleansing" cleanses training sets by several methods, and trains models again.

Code that other studies share is in files of `doldrum.studies`. The page of the study is made in
`doldrum.report.studies`.
"""

QUESTION = "how much of a backdoor is left after the training set is cleansed?"
