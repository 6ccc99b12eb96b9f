"""Open somebody else's model as a Classifier. Model files are checked before a library reads them, and code in them is not run.

Each model format has its own modules here. The code for the user's own models is in `classifiers`, the code for images
in `intake`, and the code for verdicts in `audit`.
"""

from __future__ import annotations

from doldrum.suspects.base import Preprocessing, Suspect
from doldrum.suspects.endpoint import Endpoint
from doldrum.suspects.kinds import model_kind
from doldrum.suspects.open import open_model

__all__ = ["Endpoint", "Preprocessing", "Suspect", "model_kind", "open_model"]
