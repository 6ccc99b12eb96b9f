"""The HTML pages that show results. Each page has a folder of its own, and all pages are made from records.

The pages share figures, words, style and the code that renders templates. This package computes no results (`stats`,
`profiles` and `studies` do so), and it does not need torch.
"""

from __future__ import annotations

from doldrum.report.figures import new_figure, save_figure

__all__ = ["new_figure", "save_figure"]
