"""The record of explanations: which part of each flagged image changes other images to the flagged image's class, and whether a test proves this."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from doldrum.checks import is_kind
from doldrum.errors import InputError
from doldrum.records.base import VERSION, Record, check_version
from doldrum.records.checks import check_order, jsonable, sequence, share, whole
from doldrum.records.material import keys
from doldrum.records.parts import Pixels
from doldrum.tables import html_table

__all__ = ["KINDS", "Explanation", "ExplanationRecord", "Explanations", "Shown", "Success"]

KINDS = ("region", "shared")
"""The kinds of triggers that are searched for: a rectangle of pixels, or a pattern that several images share."""

_TEXT = 4000
_MOST_SEARCHED, _DIGEST = 1000, re.compile("[0-9a-f]{16}")


@dataclass(frozen=True)
class Success(Record):
    """The share of held-back images that change to the class: `hits` of `n`, with the exact (Clopper-Pearson) 95% interval.

    >>> Success(hits=96, n=100, value=0.96, lower=0.9007, upper=0.989).hits
    96
    """

    hits: int
    n: int
    value: float
    lower: float
    upper: float

    def __post_init__(self) -> None:
        whole(self.n, "n", least=1)
        if whole(self.hits, "hits") > self.n:
            raise InputError(f"expected at most {self.n} hits among {self.n} images, got {self.hits} hits; count again")
        for name in ("value", "lower", "upper"):
            object.__setattr__(self, name, share(getattr(self, name), name))
        check_order(self.lower, self.upper, "success")


@dataclass(frozen=True)
class Shown(Record):
    """Pictures that show the test of one flagged image on a few held-back images.

    `image` (C, H, W) is the flagged image, and `found` is the part of the flagged image that was put into the held-back images.
    `control_found` is the part of a trusted image that changed the most held-back images, and `control` is this trusted
    image. `clean`, `with_found` and `with_control` (M, C, H, W) are the held-back images: unchanged, with the part
    `found`, and with the part `control_found`.
    """

    image: Pixels
    found: Pixels
    control: Pixels
    control_found: Pixels
    clean: Pixels
    with_found: Pixels
    with_control: Pixels

    _nested: ClassVar = dict.fromkeys(
        ("image", "found", "control", "control_found", "clean", "with_found", "with_control"), (Pixels, False)
    )

    def __post_init__(self) -> None:
        if not is_kind(self.image, Pixels) or len(shape := self.image.shape) != 3 or shape[0] not in (1, 3):
            raise InputError(
                "expected an image of shape (1 or 3, H, W) as Pixels, got another type or shape; pass channels first"
            )
        for name in ("found", "control", "control_found"):
            if getattr(self, name).shape != shape:
                raise InputError(
                    f"expected the image {name} to have shape {shape}, got shape {getattr(self, name).shape}; pass one image"
                )
        count = self.clean.shape[0]
        for name in ("clean", "with_found", "with_control"):
            if getattr(self, name).shape != (count, *shape):
                raise InputError(f"expected {name} of shape {(count, *shape)}, got {getattr(self, name).shape}")


@dataclass(frozen=True, kw_only=True)
class Explanation(Record):
    """The part that a search found in one flagged image, and the result of the test of this part.

    Parameters
    ----------
    image : str
        The name of the image.
    label : int
        The predicted class of the image; -1 if the model gave no valid answer.
    proven : bool
        Whether a trigger is proven: `p_adjusted` is at most alpha, `rank` is at most 5%, and the success rate is well
        above the success rate of every control. If several images share the pattern, a proof also requires that this
        image contains the pattern.
    why : str
        One sentence: what was proven, or why nothing was proven.
    kind, size, where : str of KINDS, str and dict, or None
        The part that was found: its kind, its size in words, and the settings that define it together with its pixels.
    scope : int or None
        The class of the clean images on which the part was tested; None means every class except `label`.
    together : int
        How many flagged images share the pattern; 1 if only this image has the pattern.
    success, control : Success or None
        The success rates of the part that was found and of the best control, on the same held-back images.
    controls : int
        The number of controls. A control is a trusted image, or a group of trusted images, in which the same search was
        run.
    p_value, p_adjusted : float or None
        `p_value` is the exact p-value of the hypothesis that some control succeeds at least as often as the part that
        was found. `p_adjusted` is this p-value after Holm's correction for the number of explained images.
    rank : float or None
        A conformal p-value for how much this image stands out from the controls. Of this image and all controls, the
        p-value is the share that stands out at least as much as this image.
    holds : float or None
        A conformal p-value for a pattern that several images share. This image is compared with the trusted images of
        its class. The p-value is the share of the compared images that contain at least as much of the pattern as this
        image does. An image that keeps its class when the pattern is subtracted counts as containing nothing of the
        pattern.
    labels : {clean, found, control} or None
        The classes predicted for three versions of the held-back images in `shown`: the unchanged image, the image with the found part put in, and the image with the best control's part put in.
    shown : Shown or None
        The pictures of the test; None if they are stored elsewhere.
    searched : tuple of str
        If a trigger is proven: the digest (:func:`doldrum.pixels.digest_of_image`) of each clean image that the search
        used.
    trigger : {name, settings} or None
        If a trigger is proven: the trigger, as `Trigger.to_dict` gives it; None if it is stored elsewhere.
    """

    image: str
    label: int
    proven: bool
    why: str
    kind: str | None = None
    size: str | None = None
    where: Mapping[str, Any] | None = None
    scope: int | None = None
    together: int = 1
    success: Success | None = None
    control: Success | None = None
    controls: int = 0
    p_value: float | None = None
    p_adjusted: float | None = None
    rank: float | None = None
    holds: float | None = None
    labels: Mapping[str, Sequence[int]] | None = None
    shown: Shown | None = None
    searched: tuple[str, ...] = ()
    trigger: Mapping[str, Any] | None = None

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Explanation:
        made: dict[str, Any] = {"searched": (), "trigger": None, **values}  # records of older versions have none
        for name, maker in (("success", Success), ("control", Success), ("shown", Shown)):
            if made.get(name) is not None and not isinstance(made[name], maker):
                made[name] = maker.from_dict(made[name])
        return super().from_dict(made)

    def __post_init__(self) -> None:
        for name in ("image", "why"):
            _text(getattr(self, name), name)
        whole(self.label, "label", least=-1)
        whole(self.together, "together", least=1)
        whole(self.controls, "controls")
        if not is_kind(self.proven, bool):
            raise InputError(f"expected proven as true or false, got {self.proven!r}")
        if self.kind is not None and self.kind not in KINDS:
            raise InputError(f"expected a kind among {', '.join(KINDS)}, got {self.kind!r}")
        if self.size is not None:
            _text(self.size, "size")
        if self.scope is not None:
            whole(self.scope, "scope")
        if self.labels is not None:
            object.__setattr__(self, "labels", _labels(self.labels))
        if self.where is not None:
            object.__setattr__(self, "where", jsonable(self.where, "where"))
        object.__setattr__(self, "searched", _digests(self.searched))
        if self.trigger is not None:
            object.__setattr__(self, "trigger", keys(self.trigger, "trigger", ("name", "settings")))
        for name in ("p_value", "p_adjusted", "rank", "holds"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, share(getattr(self, name), name))
        if self.proven and (self.success is None or self.p_adjusted is None):
            raise InputError(
                "expected a success rate and a p-value for a proven trigger, got none; test the trigger first"
            )
        if self.proven and self.label < 0:
            raise InputError("expected the class to which the proven trigger leads, got none; explain the image again")


@dataclass(frozen=True, kw_only=True)
class Explanations(Record):
    """The explanations of some flagged images of one model.

    Parameters
    ----------
    explained : tuple of Explanation
    alpha : float
        The largest allowed probability of a false proof that is caused by the random choice of the held-back images.
    seed : int
    clean : int
        The number of clean images that were used.
    queries : int
        The number of images that the model had to classify.
    notes : tuple of str
    """

    explained: tuple[Explanation, ...]
    alpha: float
    seed: int
    clean: int
    queries: int
    notes: tuple[str, ...] = ()
    version: int = VERSION

    _nested: ClassVar = {"explained": (Explanation, True)}

    def __post_init__(self) -> None:
        check_version(self.version)
        object.__setattr__(self, "alpha", share(self.alpha, "alpha"))
        for name in ("seed", "clean", "queries"):
            object.__setattr__(self, name, whole(getattr(self, name), name))
        object.__setattr__(self, "notes", tuple(_text(n, "notes") for n in sequence(self.notes, "notes")))
        object.__setattr__(self, "explained", tuple(sequence(self.explained, "explained")))

    @property
    def proven(self) -> int:
        """The number of proven images."""
        return sum(one.proven for one in self.explained)

    @property
    def best(self) -> Explanation | None:
        """The explanation whose proven trigger changes the most held-back images to its class; None if nothing is proven.

        If two triggers change the same number of images, the trigger that changes the larger share of images is taken.
        If the shares are equal too, the first trigger is taken.
        """
        proven = [one for one in self.explained if one.proven and one.success is not None]
        return max(proven, key=lambda one: (one.success.hits, one.success.value), default=None)  # type: ignore[union-attr]

    def _repr_html_(self) -> str:
        """The result for each image, for notebooks."""
        count = len(self.explained)
        return html_table(
            f"A trigger is proven in {self.proven:,} of {count:,} {'image' if count == 1 else 'images'}",
            {
                "alpha": self.alpha,
                "clean images": self.clean,
                "images that the model classified": f"{self.queries:,}",
            },
            columns=["image", "class", "proven", "what", "works on", "why"],
            rows=[
                [
                    one.image,
                    one.label,
                    one.proven,
                    one.size,
                    None if one.success is None else f"{one.success.value:.0%}",
                    one.why,
                ]
                for one in self.explained
            ],
        )

    def without_pixels(self) -> Explanations:
        """A copy in which `shown` and `trigger` of every explanation are None."""
        return replace(self, explained=tuple(replace(one, shown=None, trigger=None) for one in self.explained))


@dataclass(frozen=True, kw_only=True)
class ExplanationRecord(Record):
    """All results of `doldrum explain`, except the files in pictures/ and the trigger in trigger.json.

    The trigger in trigger.json is the trigger of `explanations.best`. The texts in the record may come from an
    attacker. Escape each text of the record at the place where the text is used.

    Parameters
    ----------
    created, doldrum, command : str
        UTC time (ISO 8601), version, and the command line that repeats the run.
    model : {name, sha256, format, input_shape, num_classes, class_names or null, notes}
    clean : str
        The source of the clean images.
    skipped : tuple of {id, why}
        Flagged files that could not be read; `unlisted` counts the unreadable files that are not listed.
    remarks : tuple of str
    explanations : Explanations
        Without pictures and triggers.
    """

    created: str
    doldrum: str
    command: str
    model: Mapping[str, Any]
    clean: str
    skipped: tuple[Mapping[str, Any], ...]
    unlisted: int
    remarks: tuple[str, ...]
    explanations: Explanations
    version: int = VERSION

    _nested: ClassVar = {"explanations": (Explanations, False)}

    def __post_init__(self) -> None:
        check_version(self.version)
        for name in ("created", "doldrum", "command", "clean"):
            _text(getattr(self, name), name)
        object.__setattr__(self, "model", jsonable(self.model, "model"))
        object.__setattr__(self, "skipped", tuple(jsonable(s, "skipped") for s in sequence(self.skipped, "skipped")))
        whole(self.unlisted, "unlisted")
        object.__setattr__(self, "remarks", tuple(_text(r, "remarks") for r in sequence(self.remarks, "remarks")))


def _digests(found: Any) -> tuple[str, ...]:
    made = tuple(sequence(found, "searched"))
    if len(made) > _MOST_SEARCHED or not all(is_kind(one, str) and _DIGEST.fullmatch(one) for one in made):
        raise InputError(
            f"expected a list of at most {_MOST_SEARCHED} image digests in searched, got a longer list or other values; explain the images again"
        )
    return made


def _labels(found: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    if set(found) != {"clean", "found", "control"}:
        raise InputError(
            f"expected labels with the keys clean, found and control, got the keys {sorted(map(str, found))[:9]}"
        )
    made = {name: tuple(whole(c, name, least=-1) for c in sequence(found[name], name)) for name in found}
    if len({len(labels) for labels in made.values()}) != 1:
        raise InputError(
            "expected the same number of labels of each kind, got different numbers; pass one label per image and kind"
        )
    return made


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str) or len(value) > _TEXT:
        raise InputError(f"expected {name} as text of at most {_TEXT:,} characters, got something else; shorten it")
    return value
