"""Models that somebody else made: opened without running what they bring along."""

from __future__ import annotations

from doldrum.suspects.base import Preprocessing, Suspect
from doldrum.suspects.endpoint import Endpoint
from doldrum.suspects.kinds import model_kind
from doldrum.suspects.open import open_model

__all__ = ["Endpoint", "Preprocessing", "Suspect", "model_kind", "open_model"]
