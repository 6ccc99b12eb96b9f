"""Open a model from a file or an address.

The result is a Suspect, whose classifier runs in a confined (sandboxed) process.

Other packages read file formats (`suspects`) and images, and handle models that are already Python objects
(`classifiers`).
"""

from __future__ import annotations

from doldrum.opening.door import open_model, open_settings
from doldrum.opening.settings import ModelSettings, notes_in_flags

__all__ = ["ModelSettings", "notes_in_flags", "open_model", "open_settings"]
