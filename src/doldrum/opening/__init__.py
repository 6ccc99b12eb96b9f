"""The one door for models in files and at addresses: settings -> a Suspect, whose classifier runs in a confined process.

Not in this package: formats (`suspects`), images, and models that are Python objects already (`classifiers`).
"""

from __future__ import annotations

from doldrum.opening.door import open_model, open_settings
from doldrum.opening.settings import ModelSettings, notes_in_flags

__all__ = ["ModelSettings", "notes_in_flags", "open_model", "open_settings"]
