"""Make a Classifier fast on this machine."""

from doldrum.engines.base import Engine, default_rows
from doldrum.engines.choose import ENGINES, MIN_AGREEMENT, EngineChoice, choose_engine

__all__ = ["ENGINES", "MIN_AGREEMENT", "Engine", "EngineChoice", "choose_engine", "default_rows"]
