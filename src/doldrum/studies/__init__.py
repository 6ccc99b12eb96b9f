"""Studies: grids of cells -> records, resumable; one study a file."""

from __future__ import annotations

from doldrum.studies.base import Cell, Study
from doldrum.studies.grid import load_grid
from doldrum.studies.registry import STUDIES, get_study
from doldrum.studies.runner import run_study

__all__ = ["STUDIES", "Cell", "Study", "get_study", "load_grid", "run_study"]
