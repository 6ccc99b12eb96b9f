"""`train_references` trains many clean models with one recipe and different seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from doldrum.checks import whole_number
from doldrum.data.streams import as_labelled
from doldrum.errors import InputError
from doldrum.files import check_folder_writable, holds_files, remove_drafts, tidied
from doldrum.locks import locked
from doldrum.progress import progress_bar
from doldrum.provenance import versions_and_machine
from doldrum.references.manifest import MANIFEST, MOST, ReferencesManifest, model_name, read_references_manifest
from doldrum.references.opened import References, open_references
from doldrum.seeds import child_seed
from doldrum.spread import check_workers, spread

if TYPE_CHECKING:
    from doldrum.data import ImageSet
    from doldrum.training import Recipe

__all__ = ["check_references", "train_references"]

_HINT = "19 models are enough to promise a false-alarm rate of 5%, and 99 models are enough for a rate of 1%"


def train_references(
    out: str | Path,
    *,
    data: Any,
    recipe: str | Recipe = "fashion-cnn",
    count: int,
    seed: int = 0,
    workers: int = 1,
    progress: bool = True,
) -> References:
    """Train `count` clean models, save them in the folder `out`, and open them.

    Model i uses the seed `child_seed(seed, "reference", i)` for its weights, data order and augmentation, and is
    trained on one thread. So `count` and `workers` do not change any model. If a model is compared with n references,
    its p-value is at least 1 / (n + 1).

    Parameters
    ----------
    out
        A new folder, or the folder that an earlier call of this function wrote. The folder holds reference-0000.safetensors, ..., and
        references.json, which says how the models were made. The same call continues an interrupted training: finished
        models are kept, and a model in training continues from its last epoch. A larger `count` adds models.
    data
        A clean training set, in any form that `doldrum.training.train` accepts.
    recipe
        A Recipe, or the name of a recipe. The recipe's `threads` are set to 1, because training one model per core is
        faster than using all cores for one model.
    count
        The number of models that the folder should hold, from 1 to 10,000. If the folder already holds more models,
        they all stay and are all opened.
    seed
        The seed from which the models' seeds are derived.
    workers
        The number of processes that train models. The models are the same for every number of processes. In a script,
        more than one process needs `if __name__ == "__main__"`.
    progress
        Draw a bar on standard error when that is a terminal.

    Raises
    ------
    InputError
        Raised before any work starts if the data or the recipe cannot be used. Also raised if the folder holds other
        files, or reference models with a different data set, recipe or seed. Also raised if another process writes to
        the folder. Raised during the training if a loss stops being finite.
    WorkerError
        Raised if a worker process dies.

    Examples
    --------
    >>> import tempfile, doldrum as dd
    >>> digits = dd.load_dataset("digits:train").take(range(100))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     references = train_references(f"{folder}/refs", data=digits, recipe="digits-mlp", count=2)
    ...     len(references), references.names[1], references[1].num_classes
    (2, 'reference-0001.safetensors', 10)
    """
    check_references(out, count=count, seed=seed, workers=workers)
    data, wanted, chosen = _checked(data, recipe, count, seed)
    folder = Path(out)
    with tidied(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder):
            whole = _begin(folder, wanted)
            work = partial(_train_one, folder, data, chosen, wanted.seed)
            todo = [number for number in range(whole) if not (folder / model_name(number)).is_file()]
            with progress_bar("training reference models", whole, show=progress) as advance:
                advance(whole - len(todo))
                for _ in _finished(work, todo, workers):
                    advance(1)
    return open_references(folder, progress=False)


def check_references(out: str | Path, *, count: int, seed: int, workers: int) -> None:
    """Raise the errors of `train_references` for arguments other than the data and the recipe."""
    whole_number(seed, "seed=", least=-(2**63), hint="e.g. 0")
    whole_number(count, "count=", least=1, most=MOST, hint=_HINT)
    check_workers(workers)
    _found(Path(out))
    check_folder_writable(out)


def _found(folder: Path) -> ReferencesManifest | None:
    """The manifest of a folder, or None for a new or empty folder."""
    found = read_references_manifest(folder)
    if found is None and holds_files(folder):
        raise InputError(
            f"expected a new or empty folder, or a folder of reference models, got {folder}, which holds something else; name another with --out"
        )
    return found


def _checked(data: Any, recipe: str | Recipe, count: int, seed: int) -> tuple[ImageSet, ReferencesManifest, Recipe]:
    """Make all checks that training would make, and return the data, the manifest and the recipe."""
    from doldrum.networks import check_fits
    from doldrum.training import get_recipe
    from doldrum.training.batches import checked_data

    chosen = get_recipe(recipe, threads=1)
    data = as_labelled(data, what="training data")
    images, _, classes = checked_data(data)
    check_fits(chosen.network, input_shape=(images.shape[1], images.shape[2], images.shape[3]), num_classes=classes)
    manifest = ReferencesManifest(
        data=data.name,
        data_hash=data.content_hash(),
        recipe=recipe if isinstance(recipe, str) else "",
        settings=asdict(chosen),
        seed=int(seed),
        count=int(count),
        provenance=versions_and_machine(),
    )
    return data, manifest, chosen


def _begin(folder: Path, wanted: ReferencesManifest) -> int:
    """Check an existing folder of reference models, or start a new folder. Return the number of models that the folder
    will hold when the training is complete: `wanted.count`, or more if the folder already holds models with higher
    numbers."""
    found = _found(folder)
    if found is not None and (differs := found.differences(wanted)):
        raise InputError(
            f"expected the settings with which the reference models in {folder} were trained, got other settings ({'; '.join(differs)}); ask for the same settings, or name another folder with --out"
        )
    remove_drafts(folder)
    # Never fewer than are there: all of them are of these seeds, and all are read.
    there = [number for number in range(MOST) if (folder / model_name(number)).is_file()] if found else []
    for number in there:  # a run that was killed before it removed this file
        _resume(folder, number).unlink(missing_ok=True)
    count = max([wanted.count, *(number + 1 for number in there)])
    if found is None or found.count != count:
        ReferencesManifest.from_dict(wanted.to_dict() | {"count": count}).save(folder / MANIFEST)
    return count


def _finished(work: Callable[[int], None], todo: list[int], workers: int) -> Iterator[int]:
    """Yield the number of each model as soon as the model is trained.

    A single worker runs in this process. Several workers run in processes that `spread` starts.
    """
    if workers == 1 or len(todo) < 2:
        for number in todo:
            work(number)
            yield number
        return
    for number, _ in spread(work, todo, workers=min(workers, len(todo)), in_order=False, one_core=True):
        yield number


def _train_one(folder: Path, data: ImageSet, recipe: Recipe, seed: int, number: int) -> None:
    from doldrum.training import train

    path, resume = folder / model_name(number), _resume(folder, number)
    own = child_seed(seed, "reference", number) % 2**63
    train(data, recipe, seed=own, checkpoint=resume, progress=False).save(path)
    resume.unlink(missing_ok=True)


def _resume(folder: Path, number: int) -> Path:
    return folder / f"{model_name(number)}.resume"
