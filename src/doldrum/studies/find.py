"""Find studies by name. Each study is a folder of this package; listing the studies does not import their code."""

from __future__ import annotations

import importlib
import pkgutil

from doldrum.errors import InputError
from doldrum.studies.base import Study, unknown

__all__ = ["get_study", "list_studies"]


def list_studies() -> dict[str, str]:
    """The question of every study, by the study's name: QUESTION in the `__init__.py` of the study's folder.

    >>> list_studies()["smoothing"]
    'is the model smoother around inputs with the trigger?'
    """
    home = importlib.import_module("doldrum.studies")
    names = sorted(found.name for found in pkgutil.iter_modules(home.__path__) if found.ispkg)
    return {name: importlib.import_module(f"{home.__name__}.{name}").QUESTION for name in names}


def get_study(name: str) -> Study:
    """The study with this name: STUDY in the file study.py of its folder. Raises InputError for an unknown name.

    >>> list(get_study("smoothing").grids)
    ['quick', 'full']
    """
    known = list_studies()
    if name not in known:
        raise InputError(unknown("a study", name, known))
    return importlib.import_module(f"doldrum.studies.{name}.study").STUDY
