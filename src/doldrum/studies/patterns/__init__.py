"""The study patterns: its cells and grids, and what is read off one condition.

Not here: what another study needs too (files of `doldrum.studies`), and its page (`doldrum.report.studies`).
"""

QUESTION = "do other artificial patterns make a model smoother too?"
