"""Studies: experiments that are run for a grid of cells, each one combination of settings.

A study writes one record per cell, and can be interrupted and continued. Each study is a folder of this package. Code
that several studies use is in files of this package, next to the folders. The pages that show the records are made in
`doldrum.report.studies`.
"""

from __future__ import annotations

from doldrum.studies.base import Cell, Study
from doldrum.studies.find import get_study, list_studies
from doldrum.studies.grid import load_grid
from doldrum.studies.runner import run_study

__all__ = ["Cell", "Study", "get_study", "list_studies", "load_grid", "run_study"]
