"""`open_references` gives access to the clean models in a folder. Each model is opened only when needed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, overload

from doldrum.classifiers import Classifier
from doldrum.errors import ClassifierError, InputError, SandboxError
from doldrum.intake import visible
from doldrum.opening import ModelSettings, open_settings
from doldrum.progress import progress_bar
from doldrum.references.manifest import ReferencesManifest, model_name, read_references_manifest
from doldrum.suspects.beside import weights_beside

__all__ = ["EXAMINED", "References", "open_references", "reference_settings"]

EXAMINED = "examined"
"""The folder next to the models that holds the inspectors' results for them."""

# What lies beside models and is none: texts, what doldrum keeps while it trains, and drafts.
_BESIDE = frozenset(
    (".json", ".txt", ".md", ".csv", ".html", ".log", ".yaml", ".yml", ".resume", ".surrogate", ".part")
)


@dataclass(frozen=True, kw_only=True)
class References(Sequence[Classifier]):
    """Different models with the same input shape and the same number of classes.

    A sequence of Classifiers that keeps no model open itself. A model is opened each time it is accessed, and stays
    open while the caller keeps the Classifier (its method `close` closes it earlier). `settings` says how each model is
    opened, and `fingerprints` holds the models' fingerprints in the same order as `settings`. `notes` holds the remarks
    that were made when the models were opened, without repetitions. `manifest` says how `train_references` made the
    models; it is None for other models.
    """

    settings: tuple[ModelSettings, ...]
    fingerprints: tuple[str, ...]
    input_shape: tuple[int, int, int]
    num_classes: int
    notes: tuple[str, ...] = ()
    manifest: ReferencesManifest | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The models' file names, in order."""
        return tuple(os.path.basename(settings.model) for settings in self.settings)

    def __len__(self) -> int:
        return len(self.settings)

    @overload
    def __getitem__(self, index: int) -> Classifier: ...
    @overload
    def __getitem__(self, index: slice) -> References: ...
    def __getitem__(self, index: int | slice) -> Classifier | References:
        if isinstance(index, slice):
            return replace(self, settings=self.settings[index], fingerprints=self.fingerprints[index])
        return open_settings(self.settings[index]).classifier


def open_references(folder: str | os.PathLike[str], *, progress: bool = True, **options: Any) -> References:
    """The clean models in a folder, ordered by name: models that `train_references` made, or any other clean models.

    Each model is opened once at the beginning, so that errors are reported before any work starts.

    Parameters
    ----------
    folder
        A folder written by `train_references`, or a folder of model files that `dd.open_model` can open. The folder may
        also contain Hugging Face folders. Three kinds of files are ignored: hidden files, text files (.json, .txt, .md,
        ...), and weight files that belong to a model in the folder. Every file that is not ignored must be a model.
    progress
        Draw a progress bar if standard error is a terminal.
    **options
        Any fields of :class:`doldrum.opening.ModelSettings`, with the same meaning as in `dd.open_model`. These options
        apply to all models. For models made by `train_references`, options are not needed, and are ignored.

    Returns
    -------
    References
        A sequence of Classifiers, each of which is opened when it is accessed.

    Raises
    ------
    InputError
        Raised if the folder has no model. Raised if a model cannot be opened, or has another input shape or number of
        classes than the first model. Raised if two models have equal fingerprints, because copies are not evidence (the
        same model in two formats is not noticed). Raised if a model is next to an attack file of `doldrum train
        --attack`. Raised if a folder of `train_references` is incomplete, or also holds other models.

    Examples
    --------
    >>> import tempfile, doldrum as dd
    >>> digits = dd.load_dataset("digits:train").take(range(100))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for seed in (0, 1):
    ...         _ = dd.train(digits, recipe="digits-mlp", seed=seed, progress=False).save(f"{folder}/{seed}.safetensors")
    ...     references = open_references(folder)
    ...     [model.input_shape for model in references], references.names
    ([(1, 8, 8), (1, 8, 8)], ('0.safetensors', '1.safetensors'))
    """
    settings, manifest = reference_settings(folder, **options)
    seen: dict[str, str] = {}  # fingerprint -> name
    notes: dict[str, None] = {}
    first: Classifier | None = None
    with progress_bar("opening reference models", len(settings), show=progress) as advance:
        for one in settings:
            name = visible(Path(one.model).name)
            try:
                suspect = open_settings(one)
            except (InputError, ClassifierError, SandboxError) as error:
                error.args = (f"reference model {name}: {error}",)
                raise
            classifier = suspect.classifier
            first = first or classifier
            _check_alike(classifier, name, first, visible(Path(settings[0].model).name))
            if (same := seen.setdefault(classifier.fingerprint, name)) != name:
                raise InputError(
                    f"expected reference models that are different, got {same} and {name}, which are the same; remove one: copies are no evidence"
                )
            notes |= dict.fromkeys(suspect.notes)
            classifier.close()
            advance(1)
    assert first is not None
    return References(
        settings=tuple(settings), fingerprints=tuple(seen), input_shape=first.input_shape,
        num_classes=first.num_classes, notes=tuple(notes), manifest=manifest,
    )  # fmt: skip


def reference_settings(
    folder: str | os.PathLike[str], **options: Any
) -> tuple[list[ModelSettings], ReferencesManifest | None]:
    """The settings to open each model in a folder, ordered by name, and the folder's manifest. No model is opened.

    Raises the same InputErrors as `open_references`, but only those that can be found without opening a model.
    """
    if not isinstance(folder, (str, os.PathLike)) or not os.path.isdir(folder):
        raise InputError(
            f"expected a folder of reference models, got {visible(str(folder))}; doldrum references makes one"
        )
    root = Path(folder)
    manifest = read_references_manifest(root)
    paths = _model_files(root)
    if manifest is not None:
        _check_whole(root, paths, manifest)
        options = {}
    settings = [ModelSettings(model=str(path), **options) for path in paths]
    if not settings:
        raise InputError(f"expected model files in {root}, got none; doldrum references trains some")
    return settings, manifest


def _check_whole(root: Path, paths: list[Path], manifest: ReferencesManifest) -> None:
    """Raise InputError unless the folder holds exactly the models that the manifest lists."""
    names, there = {model_name(number) for number in range(manifest.count)}, {path.name for path in paths}
    if others := sorted(there - names):
        raise InputError(
            f"expected only models made by `doldrum references` in the folder {root}, got also the file {visible(others[0])}; move this file to another folder"
        )
    if there != names:
        fewer = f", or pass --count {len(there)} to use only the models that are there" if there else ""
        raise InputError(
            f"expected the {manifest.count} reference models of {root}, got {len(there)} of them; run doldrum references again to train the "
            f"others{fewer}"
        )


def _model_files(root: Path) -> list[Path]:
    found = sorted(
        path
        for path in root.iterdir()
        if not path.name.startswith(".") and path.name != EXAMINED and path.suffix not in _BESIDE
    )
    beside = {name for path in found for name in weights_beside(path)}
    models = [path for path in found if path.name not in beside]
    for path in models:
        if path.with_suffix(".attack.json").exists():
            raise InputError(
                f"expected clean reference models, got {visible(path.name)} with an attack file beside it, so this model is backdoored; move it elsewhere"
            )
    return models


def _check_alike(model: Classifier, name: str, first: Classifier, first_name: str) -> None:
    mine, theirs = ((m.input_shape, m.num_classes) for m in (model, first))
    if mine != theirs:
        raise InputError(
            f"expected reference models with the same input shape and number of classes, got shape {mine[0]} and {mine[1]} classes in {name}, "
            f"but shape {theirs[0]} and {theirs[1]} classes in {first_name}; keep only models that are like the model to inspect"
        )
