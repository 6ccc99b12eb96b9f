"""Studies: grids of cells -> records, resumable. A folder is a study; files here are shared by several of them.

Not here: what one study alone needs (its folder), and what its records look like on a page (`doldrum.report.studies`).
"""

from __future__ import annotations

from doldrum.studies.base import Cell, Study
from doldrum.studies.find import get_study, list_studies
from doldrum.studies.grid import load_grid
from doldrum.studies.runner import run_study

__all__ = ["Cell", "Study", "get_study", "list_studies", "load_grid", "run_study"]
