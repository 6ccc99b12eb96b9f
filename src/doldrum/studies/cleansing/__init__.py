"""The study cleansing: its cells and grids, and the arms that clean a training set and train again.

Not here: what another study needs too (files of `doldrum.studies`), and its page (`doldrum.report.studies`).
"""

QUESTION = "how much of a backdoor is left after the training set is cleansed?"
