"""The study repair: its cells and grids, and what repairs do to a model.

Not here: what another study needs too (files of `doldrum.studies`), and its page (`doldrum.report.studies`).
"""

QUESTION = "does a repair remove the backdoor, and what does it cost?"
