"""The inputs of commands that train a model: a training set, clean or poisoned, and a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from doldrum.cli.attack_files import read_poisoned
from doldrum.cli.inputs import load_images
from doldrum.errors import InputError

__all__ = ["TRAINING_SET", "RecipeOption", "check_training", "clean_or_poisoned", "clean_set"]

TRAINING_SET = "A data set's split such as fashion-mnist:train, a folder with one folder per class, or an .npz array."
"""Help text for the training set that `clean_or_poisoned` reads."""
RecipeOption = Annotated[
    str, typer.Option(help="How to train. doldrum train --help says which recipe fits which images.", metavar="<name>")
]


def check_training(data: str, **asked: Any) -> None:
    """Check the arguments of a training before its images are made or read; see `doldrum.attacks.ahead`."""
    from doldrum.attacks.ahead import check_ahead
    from doldrum.data import find_dataset, is_dataset

    check_ahead(find_dataset(data).facts if is_dataset(data) else None, **asked)


def clean_or_poisoned(data: str) -> tuple[Any, dict[str, Any] | None]:
    """A training set, and its attack if doldrum poison made the set (else None)."""
    from doldrum.data import is_dataset

    if Path(data).suffix.lower() == ".npz":
        return read_poisoned(data)
    # A bare name means the test split elsewhere; nobody means to train on that.
    return load_images(f"{data}:train" if ":" not in data and is_dataset(data) else data).images, None


def clean_set(data: str) -> Any:
    """A clean training set; InputError for a set that doldrum poison made."""
    clean, brought = clean_or_poisoned(data)
    if brought is not None:
        raise InputError(
            f"expected clean data, got {data}, which is already poisoned; pass the clean set that it was made from"
        )
    return clean
