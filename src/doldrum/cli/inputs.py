"""Open the inputs of a command: a model, and images for it. Files that cannot be read are listed on standard error."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from doldrum.cli.output import message, message_skipped
from doldrum.errors import InputError
from doldrum.files import tidied
from doldrum.locks import check_out_apart, locked
from doldrum.pixels import to_float
from doldrum.progress import waiting
from doldrum.remote import is_address, is_pattern

if TYPE_CHECKING:
    from doldrum.opening import ModelSettings
    from doldrum.suspects import Suspect

__all__ = [
    "ADDRESSES",
    "IMAGES",
    "check_limit",
    "check_spread",
    "is_unfinished",
    "load_images",
    "load_model",
    "stored_images",
    "warn_of_preprocessing",
]

_LOOK = 200  # images that a look at the preprocessing takes at most
IMAGES = (
    "A folder, an image, a zip, a tar (WebDataset too), a Parquet table with images, an .npy or .npz array, an IDX file, or a "
    "split of a data set such as fashion-mnist:test."
)
"""Help text for the images that `load_images` reads."""
ADDRESSES = f"{IMAGES} Also an address (s3://, gs:// or https://) of such files, or a pattern such as s3://bucket/shard-{{000..099}}.tar."
"""Help text for the images that `stored_images` reads."""


def load_model(settings: ModelSettings, *, guarded: bool = False) -> Suspect:
    """Open the model, and print notes about it on standard error.

    `guarded` is true if a detector's file decides how the model is opened. In this case, notes that suggest other
    options are not printed.
    """
    from doldrum.opening import notes_in_flags, open_settings
    from doldrum.opening.settings import PREPROCESSING

    with waiting("opening the model"):
        suspect = open_settings(settings)
    notes = [n for n in suspect.notes if not (guarded and any(f"{name}=" in n for name in PREPROCESSING))]
    for note in notes_in_flags(notes):
        message(f"note: {note}")
    return suspect


def warn_of_preprocessing(suspect: Suspect, images: Any, settings: ModelSettings, labels: Any = None) -> None:
    """Print a note if one of the usual preprocessings fits the images better than the model's present preprocessing, or
    if all images get the same label. Nothing is changed.

    At most 200 images, spread evenly over all images, are checked. `labels` are class numbers.
    """
    import numpy as np

    from doldrum.measuring.inputs import Inputs
    from doldrum.suspects.preprocessing_check import preprocessing_note

    if suspect.format == "doldrum checkpoint":  # its network normalises, as it was trained
        return
    inputs = Inputs(images)
    places = np.unique(np.linspace(0, len(inputs) - 1, min(_LOOK, len(inputs))).astype(int))
    some = to_float(np.concatenate([inputs.block(int(i), int(i) + 1)[0] for i in places]))
    known = None if labels is None else np.asarray(labels)[places]
    with waiting("checking the preprocessing"):
        note = preprocessing_note(suspect, some, known, resize=settings.resize)
    if note is not None:
        message(note)


def load_images(
    source: str, *, classifier: Any = None, resize: Literal["stretch", "crop"] = "stretch", limit: int | None = None
) -> Any:
    """Read the images of `source`, or only its first `limit` images, and return an ImageRead. If a `classifier` is
    given, the images are fitted to its input shape."""
    from doldrum.data import ImageRead, read_images
    from doldrum.data.readers.fitted import fit_images

    wanted: Any = {}
    if classifier is not None:
        channels, *size = classifier.input_shape
        wanted = {"channels": channels, "size": tuple(size), "resize": resize}
    if limit is None:
        read = read_images(source, **wanted)
    else:  # before they are fitted: they may be many
        read = read_images(source)
        fitted = fit_images(read.images.take(range(min(limit, len(read.images)))), **wanted)
        read = ImageRead(fitted.images, (*read.skipped, *fitted.skipped), (*read.notes, *fitted.notes))
    message_skipped(read.skipped)
    for note in read.notes:
        message(f"note: {note}")
    return read


def check_spread(settings: ModelSettings, workers: int | None, ray: str | None) -> None:
    """Raise InputError if the number of workers is not valid, or if several processes can't use the model."""
    from doldrum.spread import check_workers

    check_workers(workers, ray=ray)
    if ray is not None or (workers or 1) > 1:
        settings.check_shared()


def check_limit(limit: int | None) -> None:
    if limit is not None and limit < 1:
        raise InputError(f"expected a --limit of at least 1, got {limit}")


@contextmanager
def stored_images(
    source: str,
    out: Path,
    *,
    classifier: Any,
    resize: Literal["stretch", "crop"] = "stretch",
    limit: int | None = None,
    check: Callable[[Path], Any] | None = None,
    unfinished: Callable[[Path], bool] | None = None,
) -> Iterator[tuple[Any, list[tuple[str, str]]]]:
    """A context manager that gives the images for a run that writes to `out`, and a pair (name, reason) for each
    skipped file.

    Arrays (.npy, .npz) and data sets are read in place. Images in other forms are decoded into the folder `out`/images.part, so that memory use
    doesn't grow with the number of images. A run that ends deletes the folder images.part. If a run is interrupted and
    can be continued, the folder images.part is kept. Files at an address are copied one at a time.

    The function `check` raises InputError if `out` holds files that no earlier run of the command wrote. `unfinished`
    says whether `out` holds a run that can be continued. The default functions `check` and `unfinished` are those for a
    run of `measure_to`.
    """
    remote = is_address(source) or is_pattern(source)
    if (not remote and not os.path.exists(source)) or (
        Path(source).suffix.lower() in (".npy", ".npz") and os.path.isfile(source)
    ):
        read = load_images(source, classifier=classifier, resize=resize, limit=limit)
        yield read.images, list(read.skipped)
        return
    from doldrum.measuring.collected import collect_images
    from doldrum.measuring.stored import check_folder

    check, unfinished = check or check_folder, unfinished or is_unfinished
    check_out_apart(source, out)
    work = out / "images.part"
    with tidied(work), _locked_folder(work):
        keep = False
        try:
            check(out)  # another run may have ended since it was looked at first
            found = collect_images(source, work, shape=classifier.input_shape, resize=resize, limit=limit)
            message_skipped(found.skipped)
            if found.note is not None:
                message(f"note: {found.note}")
            yield found, found.skipped
        except BaseException:
            keep = unfinished(out)
            raise
        finally:
            if not keep:
                shutil.rmtree(work)


@contextmanager
def _locked_folder(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        yield


def is_unfinished(out: Path) -> bool:
    """Whether the folder `out` holds a run of `measure` that can be continued."""
    from doldrum.measuring import read_manifest

    try:
        return not read_manifest(out)["complete"]
    except InputError:
        return False
