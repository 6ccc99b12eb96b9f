"""Study and Cell: the two classes that define a study. A cell is one combination of settings for which a study measures
values.

To add a study, make a folder for it. The folder defines a subclass of Cell, a function `run` that computes the values
of a cell, and the grids of the study.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from functools import cache
from typing import TYPE_CHECKING, Any

from doldrum.attacks import ATTACKS, CLEAN, VictimSpec, check_attack
from doldrum.attacks.ahead import check_ahead
from doldrum.checks import is_number, nearest
from doldrum.data.naming import Facts
from doldrum.errors import InputError
from doldrum.poisoning import PoisonPlan
from doldrum.studies.cell_checks import check_whole, numbers, share, table
from doldrum.studies.imbalance import thinned, training_imbalance
from doldrum.training.recipe import Recipe, get_recipe

if TYPE_CHECKING:
    from doldrum.data import ImageSet
    from doldrum.data.naming import Named

__all__ = ["STRENGTHS", "Cell", "Study", "datasets", "facts_of", "num_test_images"]

STRENGTHS = (0.02, 0.05, 0.1, 0.15, 0.22, 0.35, 0.6, 1.0, 1.5, 2.5)
"""Noise strengths whose range contains the peak of the mean W of clean inputs (on Fashion-MNIST a flat peak, from .4 to 1.5)."""
_MOST_DRAWS = 10_000  # all scores of a batch are held at once


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell of a grid: an attacked model (the victim), and how it is measured. The fields are checked when a cell is made.

    Parameters
    ----------
    data, recipe, attack, rate, settings, seed
        These fields are the same as in `VictimSpec`; `changes` are changes to the recipe, such as {"epochs": 2}. The attack "clean" compares two
        clean models, to show what results look like without any effect. A data set's name may end with a ratio. For example,
        in "fashion-mnist 1:100" the last class has a hundredth of the training images of the first class.
    target
        The target class; by default the seed modulo the number of classes, so that the target varies with the seed.
    inputs, pick
        `inputs` is the largest number of test images that are measured; there may be fewer, since some attacks can be
        used only on certain images. `pick` is the number of test images that are used only to compute sigma-half, the
        noise strength at which W is measured.
    draws, strengths
        `draws` is the number of draws of Gaussian noise at each noise strength. `strengths` are the noise strengths;
        sigma-half is always added to them.
    sigma
        The noise strength at which W is measured; None means the clean model's sigma-half.

    Raises InputError for invalid values. For a misspelt name, the message suggests the nearest known name.
    """

    data: str = "fashion-mnist"
    recipe: str = "fashion-cnn"
    changes: Mapping[str, Any] = field(default_factory=dict)
    attack: str = "badnets"
    rate: float = 0.05
    settings: Mapping[str, Any] = field(default_factory=dict)
    target: int | None = None
    inputs: int = 200
    pick: int = 200
    draws: int = 100
    strengths: tuple[float, ...] = STRENGTHS
    sigma: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.sigma is not None and not (is_number(self.sigma) and 0 < self.sigma < 1000):
            raise InputError(
                f"expected sigma as a number above 0 and below 1000, got {self.sigma!r}; leave sigma out to use sigma-half"
            )
        if not isinstance(self.attack, str) or (self.attack != CLEAN and self.attack not in ATTACKS):
            raise InputError(unknown("an attack", self.attack, [*ATTACKS, CLEAN]))
        object.__setattr__(self, "rate", share(self.rate, "rate"))
        object.__setattr__(self, "strengths", numbers(self.strengths, "strengths", example="[0.05, 0.1, 0.2]"))
        if not isinstance(self.data, str):
            raise InputError(
                f"expected the name of a data set, got {self.data!r}; list the names with doldrum datasets"
            )
        table(self.settings, "settings", example="{ size = 2 }")
        table(self.changes, "changes", example="{ epochs = 2 }")
        check_whole(self, ("seed", 0, 2**63 - 1), ("draws", 2, _MOST_DRAWS))
        facts = facts_of(self.data)
        classes = facts.classes
        target = self.seed % classes if self.target is None else self.target
        if isinstance(target, bool) or not isinstance(target, int) or not 0 <= target < classes:
            raise InputError(
                f"expected a target from 0 to {classes - 1}, got {self.target!r}; use a class of {self.data}"
            )
        object.__setattr__(self, "target", target)
        spec = self.victim
        try:
            words = json.dumps(dict(spec.settings), sort_keys=True, default=float)  # a NumPy number too
        except (TypeError, ValueError) as error:
            raise InputError(f"expected numbers, texts or lists as settings, got {self.settings!r}; {error}") from error
        try:
            _check_model(self.data, spec.recipe, spec.attack, spec.target, words)
        except InputError as error:
            raise InputError(f"{self.label()}: {error}") from error
        # From here on, images may be made: everything that needs none is checked before.
        most = num_test_images(self.data)
        check_whole(self, *((name, 1, most) for name in ("inputs", "pick")))

    def clean(self, seed: int | None = None) -> VictimSpec:
        """The specification of the clean model with this cell's recipe and with `seed`, by default the cell's seed."""
        return VictimSpec(data=self.data, recipe=self._recipe(), seed=self.seed if seed is None else seed)

    @property
    def victim(self) -> VictimSpec:
        """The specification of the attacked model. The attack "clean" has no attacked model, so the result specifies
        the clean model with the next seed."""
        if self.attack == CLEAN:
            return self.clean(self.seed + 1)
        assert self.target is not None
        return VictimSpec(
            attack=self.attack, data=self.data, recipe=self._recipe(), rate=self.rate, target=self.target,
            seed=self.seed, settings=self.settings,
        )  # fmt: skip

    def training_set(self) -> ImageSet:
        """The clean training set that the attack poisons."""
        return datasets(self.data)[0]

    def plan(self) -> PoisonPlan:
        """How the attack poisons the training set; the attack "clean" poisons nothing.

        Nothing is trained here. Raises InputError if the training set is too small for the poison rate, or if a setting
        is out of range.
        """
        assert self.target is not None
        if self.attack == CLEAN:
            return PoisonPlan(rate=0.0, target=self.target)
        return check_attack(
            self.attack, self.training_set(), recipe=self._recipe(), seed=self.seed, rate=self.rate, target=self.target,
            settings=dict(self.settings),
        )  # fmt: skip

    def _recipe(self) -> Any:
        from doldrum.networks import check_network

        try:
            recipe = get_recipe(self.recipe, **self.changes)
        except TypeError as error:
            raise InputError(f"expected changes to settings of a Recipe, got {dict(self.changes)}; {error}") from error
        check_network(recipe.network)
        return recipe

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON-able values, from which the same cell can be made again."""
        return {**asdict(self), "strengths": list(self.strengths)}

    def label(self) -> str:
        """The text that names this cell in progress messages."""
        plain = {f.name: f.default for f in fields(self) if f.default is not MISSING}
        odd = [f"{n} {getattr(self, n)}" for n in ("data", "rate", "recipe") if getattr(self, n) != plain[n]]
        extra = [f"{k} {v}" for part in (self.settings, self.changes) for k, v in part.items()]
        return ", ".join([self.attack, f"seed {self.seed}", *odd, *extra])


@dataclass(frozen=True)
class Study:
    """A question, and the experiment that answers the question for a grid of cells.

    `name` is the name of the study's folder. A study without a folder, made and run from Python, may have any name.
    `run` computes the values of a cell (JSON-able, finite numbers), which depend only on the cell. `grids` maps the
    names "quick" and "full" to grids. A grid is a mapping with the same content as a grid file. `check` raises
    InputError for a cell that `run` cannot compute. `check` takes milliseconds, and is called for all cells before any
    work. Increase `version` if `run` changes.
    """

    name: str
    cell: type[Cell]
    run: Callable[[Any], Mapping[str, Any]]
    grids: Mapping[str, Mapping[str, Any]]
    version: int = 1
    check: Callable[[Any], object] = Cell.plan

    def key(self, cell: Cell) -> str:
        """24 hexadecimal digits of the SHA-256 hash of everything that determines the cell's values."""
        train, test = datasets(cell.data)
        clean = cell.clean()
        text = {
            "study": [self.name, self.version],
            "cell": {**cell.to_dict(), "recipe": asdict(clean.recipe), "changes": None},  # type: ignore[call-overload]
            "victim": cell.victim.key,
            "clean": clean.key,
            "data": [train.content_hash(), test.content_hash()],
        }
        return hashlib.sha256(json.dumps(text, sort_keys=True, default=str).encode()).hexdigest()[:24]


@cache
def _check_model(data: str, recipe: Recipe, attack: str, target: int, settings: str) -> None:
    """Check that the network and the attack fit the images of a data set. Many cells differ only in their seeds, so
    results are kept. `settings` is JSON."""
    named = None if attack == CLEAN else attack
    check_ahead(facts_of(data), recipe=recipe, attack=named, target=target, settings=json.loads(settings))


@cache
def datasets(name: str) -> tuple[ImageSet, ImageSet]:
    """The training set and the test set of the data set `name`, which are loaded only once per process.

    If " 1:N" follows the name, the classes of the training set are made imbalanced; see `doldrum.studies.imbalance`.
    """
    found, ratio = _named(name)
    return thinned(found.load("train"), ratio), found.load(found.test_split)


def facts_of(name: str) -> Facts:
    """What is known about the data set `name` before its images are made or read."""
    return _named(name)[0].facts


def num_test_images(name: str) -> int:
    """The number of test images. The images are made or read only if their number is not known otherwise."""
    found, _ = _named(name)
    return found.facts.images.get(found.test_split) or len(datasets(name)[1])


def _named(name: str) -> tuple[Named, int]:
    """The data set and its imbalance ratio. Raises InputError for a wrong name, option or ratio, and for a split."""
    from doldrum.data import DATASETS, find_dataset

    plain, ratio = training_imbalance(name)
    alone, colon, _ = plain.partition(":")
    if alone.partition(",")[0] not in DATASETS:
        raise InputError(unknown("a data set", plain, DATASETS))
    if colon:
        raise InputError(
            f"expected a data set without a split, since a study uses the training and the test split, got {name!r}; "
            f"write the name alone: {alone}"
        )
    return find_dataset(plain), ratio


def unknown(what: str, name: Any, known: Iterable[str]) -> str:
    """The error message for an unknown name.

    >>> unknown("a grid", "quik", ["quick", "full"])
    "expected a grid among quick, full, got 'quik'; did you mean 'quick'?"
    """
    known = list(known)
    return f"expected {what} among {', '.join(known)}, got {name!r}; {nearest(name, known)}"
