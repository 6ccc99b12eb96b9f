"""Open a model from a file or an address.

The result is a Suspect, whose classifier runs in a confined (sandboxed) process.

Not in this package: file formats (`suspects`), images, and models that are already Python objects (`classifiers`).
"""

from __future__ import annotations

from doldrum.opening.door import open_model, open_settings
from doldrum.opening.settings import ModelSettings, notes_in_flags

__all__ = ["ModelSettings", "notes_in_flags", "open_model", "open_settings"]
