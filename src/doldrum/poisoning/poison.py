"""The function `poison`: make a poisoned training set from a training set, a trigger and a plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.checks import whole_number
from doldrum.data import Images, ImageSet, as_labelled, to_float
from doldrum.errors import InputError
from doldrum.poisoning.plan import PoisonPlan, count_of, shown
from doldrum.seeds import rng
from doldrum.triggers.base import Trigger

__all__ = ["PoisonedSet", "choose_samples", "poison"]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class PoisonedSet(ImageSet):
    """A poisoned training set, made by `poison`: an ImageSet that also records which samples were changed, and how.

    The method `take` returns a plain ImageSet, which does not record what was changed.

    Attributes
    ----------
    poisoned : (N,) bool
        The samples that got the trigger, including samples that keep their label. The plan's `rate` is the share of
        these samples in the training set.
    cover : (N,) bool
        The cover samples: samples to which the trigger was added in its form for cover samples (`Trigger.as_cover`),
        and which keep their true labels. Cover samples do not count as poisoned.
    original_labels : (N,) int64
    trigger, plan, seed
        The arguments with which `poison` makes this set again from the clean training set.
    """

    poisoned: NDArray[np.bool_]
    cover: NDArray[np.bool_]
    original_labels: NDArray[np.int64]
    trigger: Trigger
    plan: PoisonPlan
    seed: int

    @property
    def relabelled(self) -> NDArray[np.bool_]:
        """A mask (N,) of the samples whose label the attacker changed."""
        return np.asarray(self.labels) != self.original_labels


def poison(train_set: Images, trigger: Trigger, plan: PoisonPlan, *, seed: int = 0) -> PoisonedSet:
    """Poison a copy of a training set: an ImageSet, or a source of (image, label) pairs or rows, such as a torch Dataset.

    The candidates (the samples that the plan may poison) are shuffled with the seed, and the first `floor(rate * N +
    1/2)` are poisoned. So with the same seed, all samples that are poisoned at a lower rate are also poisoned at a
    higher rate. If n samples are poisoned, they are shuffled again, and the first `floor(keep_label * n + 1/2)` of them
    keep their labels. Cover samples are chosen from the samples that are not poisoned.

    A rate of 0 gives the clean images and labels. `rate = 1 / N` poisons one sample. Images of uint8 stay uint8: the
    trigger's output is rounded to the nearest 1/255, since poisoned images are usually files with 8 bits. Float images
    stay float32 and are not rounded.

    Raises InputError if the plan needs more samples than there are candidates; the message then names the largest
    possible rate. Also raises InputError for a rate above 0 that gives no sample, and for classes that the set does not
    have.

    >>> from doldrum.triggers import Patch
    >>> clean = ImageSet(np.zeros((10, 1, 4, 4), np.uint8), labels=np.arange(10) % 2)
    >>> bad = poison(clean, Patch(size=1), PoisonPlan(rate=0.2, target=0))
    >>> int(bad.poisoned.sum()), bad.original_labels[bad.poisoned].tolist(), bad.labels[bad.poisoned].tolist()
    (2, [1, 1], [0, 0])
    """
    if not isinstance(trigger, Trigger):
        raise InputError(f"expected a Trigger, got {type(trigger).__name__}; e.g. dd.triggers.Patch()")
    train_set = as_labelled(train_set, what="a training set")
    poisoned, cover = choose_samples(train_set, plan, seed=seed)
    labels = np.array(train_set.labels, dtype=np.int64)
    class_names = tuple(train_set.class_names)

    images = np.array(train_set.images)
    if images.dtype != np.uint8:
        images = to_float(images)
    for chosen, form in ((poisoned, trigger.in_training), (cover, trigger.as_cover)):
        rows = np.flatnonzero(chosen)
        if len(rows):
            images[rows] = _like(form(images[rows], seed=seed, rows=rows), images.dtype)

    new_labels = labels.copy()
    if plan.mode != "clean-label":
        changed = poisoned & ~_kept(poisoned, plan.keep_label, seed=seed)
        new_labels[changed] = plan.attacker_labels(labels[changed], num_classes=len(class_names))
    return PoisonedSet(
        images=images,
        labels=new_labels,
        ids=train_set.ids,
        class_names=class_names,
        name=f"{train_set.name or 'images'}+{trigger.name}",
        poisoned=poisoned,
        cover=cover,
        original_labels=labels,
        trigger=trigger,
        plan=plan,
        seed=int(seed),
    )


def choose_samples(
    train_set: ImageSet, plan: PoisonPlan, *, seed: int = 0
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Choose which samples `poison` poisons, and which samples become cover samples. Return two masks (N,).

    Raises the same errors as `poison`.
    """
    if not isinstance(train_set, ImageSet):
        raise InputError(f"expected an ImageSet, got {type(train_set).__name__}; make one: dd.ImageSet(images, labels)")
    if not isinstance(plan, PoisonPlan):
        raise InputError(f"expected a PoisonPlan, got {type(plan).__name__}; e.g. dd.PoisonPlan(rate=0.05, target=0)")
    seed = whole_number(seed, "seed=", least=-(2**63), hint="e.g. 0")
    if train_set.labels is None:
        raise InputError("expected a training set with labels, got none; poisoning needs labels")
    labels = np.asarray(train_set.labels, dtype=np.int64)
    plan.check_classes(len(train_set.class_names), target="target=")
    poisoned = _pick(plan.candidates(labels), plan.rate, what="rate", seed=seed)
    cover = _pick(plan.cover_candidates(labels) & ~poisoned, plan.cover_rate, what="cover_rate", seed=seed)
    return poisoned, cover


def _pick(candidates: NDArray[np.bool_], rate: float, *, what: str, seed: int) -> NDArray[np.bool_]:
    """Choose candidates at random, and return a mask that is true for them. Their number is `rate` times the number of
    all samples, rounded."""
    total = len(candidates)
    count = count_of(rate, total, what=what) if total else 0
    rows = np.flatnonzero(candidates)
    if count > len(rows):
        raise InputError(
            f"expected {shown(what)} of at most {len(rows) / total:.6g} ({len(rows)} of {total} samples may be "
            f"chosen under this plan), got {rate:g} ({count} samples); lower {shown(what)}"
        )
    mask = np.zeros(total, dtype=bool)
    mask[rng(seed, "poison", what).permutation(rows)[:count]] = True
    return mask


def _kept(poisoned: NDArray[np.bool_], share: float, *, seed: int) -> NDArray[np.bool_]:
    rows = np.flatnonzero(poisoned)
    mask = np.zeros(len(poisoned), dtype=bool)
    mask[rng(seed, "poison", "keep_label").permutation(rows)[: int(share * len(rows) + 0.5)]] = True
    return mask


def _like(images: NDArray[np.float32], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Convert triggered images to the pixel type of the training set."""
    return np.rint(images * 255).astype(np.uint8) if dtype == np.uint8 else images.astype(dtype)
