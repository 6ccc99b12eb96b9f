"""The name of a data set: NAME, options if the set has any, and a split: "textures,classes=400,size=64:test"."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from doldrum.data.imageset import ImageSet
from doldrum.errors import InputError

__all__ = ["Dataset", "Named", "Option", "is_named", "named"]


@dataclass(frozen=True)
class Option:
    """An option of a data set, a whole number. `default` is used if the name does not give it."""

    default: int
    least: int
    most: int
    what: str


@dataclass(frozen=True)
class Dataset:
    """A data set by name: how to find, load and get it. `load` takes the split, and the options as keywords."""

    name: str
    description: str
    splits: tuple[str, ...]
    licence: str
    how_to_get: str
    locate: Callable[[], str | None]
    load: Callable[..., ImageSet]
    options: Mapping[str, Option] = field(default_factory=dict)


@dataclass(frozen=True)
class Named:
    """The parts of a name. `split` is None if the name has none. `options` holds the options in the name."""

    dataset: Dataset
    options: Mapping[str, int]
    split: str | None

    @property
    def test_split(self) -> str:
        """The split that a model is tested on: "test", or the last."""
        splits = self.dataset.splits
        return "test" if "test" in splits else splits[-1]

    def load(self, split: str | None = None) -> ImageSet:
        """`split`, else the one named, else the test split. Raises DatasetNotFoundError where the set is not here."""
        return self.dataset.load(split or self.split or self.test_split, **self.options)


def is_named(spec: str, sets: Mapping[str, Dataset]) -> bool:
    """Whether `spec` begins with the name of one of the sets. The rest may still be wrong.

    >>> is_named("digits,size=8:test", {"digits": ...}), is_named("digits.npz", {"digits": ...})
    (True, False)
    """
    return spec.partition(":")[0].partition(",")[0] in sets


def named(spec: str, sets: Mapping[str, Dataset]) -> Named:
    """What NAME[,OPTION=NUMBER...][:SPLIT] asks for; InputError for an unknown name, option or split, or a number out of range."""
    if not isinstance(spec, str):
        raise InputError(f"expected the name of a data set, got {type(spec).__name__}; e.g. 'digits:train'")
    before, colon, split = spec.partition(":")
    name, *given = before.split(",")
    if name not in sets:
        raise InputError(f"expected a data set among {', '.join(sets)}, got {name!r}; see doldrum datasets")
    found = sets[name]
    options: dict[str, int] = {}
    for text in given:
        key, value = _option(found, text)
        if key in options:
            raise InputError(f"expected {key} of {name} once, got it twice in {spec!r}; leave one out")
        options[key] = value
    if colon and split not in found.splits:
        raise InputError(
            f"expected a split among {', '.join(found.splits)} for {name}, got {split!r}; e.g. {name}:{found.splits[-1]}"
        )
    return Named(found, options, split or None)


def _option(found: Dataset, text: str) -> tuple[str, int]:
    key, _, value = text.partition("=")
    if key not in found.options:
        known = ", ".join(found.options) or "none"
        raise InputError(f"expected options of {found.name} ({known}), got {text!r:.60}; see doldrum datasets")
    option = found.options[key]
    number = int(value) if value.isascii() and value.isdigit() and len(value) < 10 else -1
    if not option.least <= number <= option.most:
        raise InputError(
            f"expected {key} of {found.name} from {option.least} to {option.most}, got {value!r:.60}; "
            f"e.g. {found.name},{key}={option.default}"
        )
    return key, number
