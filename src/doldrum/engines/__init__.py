"""Engines run a Classifier fast on this machine, and give the labels that the classifier itself would give. Each engine
has its own file, and `choose` chooses one.

Not in this package: the kinds of models (`classifiers`), and the choice of what is run (`measuring`).
"""

from doldrum.engines.base import Engine, default_rows
from doldrum.engines.choose import ENGINES, MIN_AGREEMENT, EngineChoice, build_engine, choose_engine

__all__ = ["ENGINES", "MIN_AGREEMENT", "Engine", "EngineChoice", "build_engine", "choose_engine", "default_rows"]
