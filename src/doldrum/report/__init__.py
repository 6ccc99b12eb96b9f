"""Pages, one a folder, over shared parts: figures, words, the shell and the style of a page. They read records.

Not here: a number that no record holds (`stats`, `profiles`, `studies` compute it), and anything that needs torch.
"""

from __future__ import annotations

from doldrum.report.figures import new_figure, save_figure

__all__ = ["new_figure", "save_figure"]
