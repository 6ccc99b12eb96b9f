"""Open somebody else's model as a Classifier. Files are checked before a library reads them, and no code in them is run.

Each format has one file here. The user's own models are in `classifiers`, images in `intake`, and verdicts in `audit`.
"""

from __future__ import annotations

from doldrum.suspects.base import Preprocessing, Suspect
from doldrum.suspects.endpoint import Endpoint
from doldrum.suspects.kinds import model_kind
from doldrum.suspects.open import open_model

__all__ = ["Endpoint", "Preprocessing", "Suspect", "model_kind", "open_model"]
