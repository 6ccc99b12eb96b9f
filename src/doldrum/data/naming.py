"""Parse the name of a data set, with its options and its split, such as "textures,classes=400,size=64:test"."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from doldrum.checks import nearest
from doldrum.data.imageset import ImageSet
from doldrum.errors import InputError

__all__ = ["Dataset", "Facts", "Named", "Option", "is_named", "named"]


@dataclass(frozen=True)
class Option:
    """An option of a data set, whose value is a whole number.

    `default` is used if the data set's name does not set it.
    """

    default: int
    least: int
    most: int
    what: str


@dataclass(frozen=True)
class Facts:
    """What is known about a data set before its images are made or read.

    `images` holds the number of images of each split. It is empty if the numbers are known only from the files.
    """

    classes: int
    input_shape: tuple[int, int, int]
    images: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Dataset:
    """A data set that has a name, and the functions that find and load it.

    The function `load` takes the split, and the options as keyword arguments. The function `facts` takes the options.
    """

    name: str
    description: str
    splits: tuple[str, ...]
    licence: str
    how_to_get: str
    locate: Callable[[], str | None]
    load: Callable[..., ImageSet]
    facts: Callable[..., Facts]
    options: Mapping[str, Option] = field(default_factory=dict)


@dataclass(frozen=True)
class Named:
    """The parts of a data set's name.

    `split` is None if the name contains no split. `options` maps each option in the name to its number.
    """

    dataset: Dataset
    options: Mapping[str, int]
    split: str | None

    @property
    def facts(self) -> Facts:
        """What is known about the images. Nothing is made or read."""
        return self.dataset.facts(**self.options)

    @property
    def test_split(self) -> str:
        """The split that a model is tested on: "test" if the set has it, else the last split."""
        splits = self.dataset.splits
        return "test" if "test" in splits else splits[-1]

    def load(self, split: str | None = None) -> ImageSet:
        """Load `split`; the default is the split in the name, else the test split.

        Raises DatasetNotFoundError if the set is not on this machine.
        """
        return self.dataset.load(split or self.split or self.test_split, **self.options)


def is_named(spec: str, sets: Mapping[str, Dataset]) -> bool:
    """Whether `spec` begins with the name of one of the sets. The options and the split in `spec` are not checked.

    >>> is_named("digits,size=8:test", {"digits": ...}), is_named("digits.npz", {"digits": ...})
    (True, False)
    """
    return spec.partition(":")[0].partition(",")[0] in sets


def named(spec: str, sets: Mapping[str, Dataset]) -> Named:
    """Parse NAME[,OPTION=NUMBER...][:SPLIT].

    Raises InputError for an unknown name, option or split, or a number out of range.
    """
    if not isinstance(spec, str):
        raise InputError(f"expected the name of a data set, got {type(spec).__name__}; e.g. 'digits:train'")
    before, colon, split = spec.partition(":")
    name, *given = before.split(",")
    if name not in sets:
        raise InputError(
            f"expected a data set among {', '.join(sets)}, got {name!r}; {nearest(name, sets, other='see doldrum datasets')}"
        )
    found = sets[name]
    options: dict[str, int] = {}
    for text in given:
        key, value = _option(found, text)
        if key in options:
            raise InputError(f"expected the option {key} of {name} once, got it twice in {spec!r}; leave one out")
        options[key] = value
    if colon and split not in found.splits:
        first, *late = split.split(",")
        if late and first in found.splits:
            right = ",".join([name, *given, *late])
            raise InputError(f"expected options before the split, got {spec!r}; write {right}:{first}")
        raise InputError(
            f"expected a split among {', '.join(found.splits)} for {name}, got {split!r}; e.g. {name}:{found.splits[-1]}"
        )
    return Named(found, options, split or None)


def _option(found: Dataset, text: str) -> tuple[str, int]:
    key, _, value = text.partition("=")
    if key not in found.options:
        known = ", ".join(found.options) or "none"
        hint = nearest(key, found.options, other="see doldrum datasets")
        raise InputError(f"expected an option that {found.name} has ({known}), got {text!r:.60}; {hint}")
    option = found.options[key]
    number = int(value) if value.isascii() and value.isdigit() and len(value) < 10 else -1
    if not option.least <= number <= option.most:
        raise InputError(
            f"expected the option {key} of {found.name} to be a whole number from {option.least} to {option.most}, got {value!r:.60}; "
            f"e.g. {found.name},{key}={option.default}"
        )
    return key, number
