"""Open somebody else's model as a Classifier. Model files are checked before a library reads them, and code in them is not run.

Each model format has its own modules here. The user's own models are in `classifiers`, images in `intake`, and verdicts in `audit`.
"""

from __future__ import annotations

from doldrum.suspects.base import Preprocessing, Suspect
from doldrum.suspects.endpoint import Endpoint
from doldrum.suspects.kinds import model_kind
from doldrum.suspects.open import open_model

__all__ = ["Endpoint", "Preprocessing", "Suspect", "model_kind", "open_model"]
