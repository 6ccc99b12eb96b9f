"""Open somebody else's model as a Classifier. Files are checked before a library reads them, and no code in them is run.

No models of the user's own (`classifiers`), no images (`intake`) and no verdict (`audit`); one format per file.
"""

from __future__ import annotations

from doldrum.suspects.base import Preprocessing, Suspect
from doldrum.suspects.endpoint import Endpoint
from doldrum.suspects.kinds import model_kind
from doldrum.suspects.open import open_model

__all__ = ["Endpoint", "Preprocessing", "Suspect", "model_kind", "open_model"]
