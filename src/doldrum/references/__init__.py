"""Reference models: clean models, trained by doldrum or by you, with which another model is compared.

Verdicts are in `inspectors`, backdoored models are in `attacks`, and model formats are in `opening`.
"""

from __future__ import annotations

from doldrum.references.manifest import MANIFEST, ReferencesManifest
from doldrum.references.opened import EXAMINED, References, open_references, reference_settings
from doldrum.references.trained import check_references, train_references

__all__ = [
    "EXAMINED",
    "MANIFEST",
    "References",
    "ReferencesManifest",
    "check_references",
    "open_references",
    "reference_settings",
    "train_references",
]
