"""Make a Classifier fast on this machine, with the same labels; one engine per file, and `choose` picks.

Not in this package: kinds of model (`classifiers`), and the plan of what is run (`measuring`).
"""

from doldrum.engines.base import Engine, default_rows
from doldrum.engines.choose import ENGINES, MIN_AGREEMENT, EngineChoice, build_engine, choose_engine

__all__ = ["ENGINES", "MIN_AGREEMENT", "Engine", "EngineChoice", "build_engine", "choose_engine", "default_rows"]
