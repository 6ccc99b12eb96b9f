"""The study cleansing: its cells and grids, and the arms that clean a training set and train again.

Not here: what another study needs too (files of `doldrum.studies`), and its page (`doldrum.report.studies`).
"""

QUESTION = "what is left of a backdoor when the training set is cleansed"
