"""The study cleansing: it defines cells and grids, and runs methods that clean a training set and train the model again.

Code that other studies share is in files of `doldrum.studies`. The page of the study is made in `doldrum.report.studies`.
"""

QUESTION = "how much of a backdoor is left after the training set is cleansed?"
