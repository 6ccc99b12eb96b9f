"""The record of an audit of a model and images that somebody else made.

Every text in it comes from files that may be an attacker's: escape it at the point of use.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from doldrum.errors import InputError
from doldrum.records.base import VERSION, Record, check_version
from doldrum.records.checks import check_order, jsonable, number, numbers, sequence, share, whole
from doldrum.records.explanations import Explanations

__all__ = ["MOST_SKIPPED", "AuditRecord"]

MOST_SKIPPED = 10_000
"""Skipped files that a record lists; `images["unlisted"]` counts the others."""

_TEXT = 4000  # characters of one text
_CLASSES = 100_000


@dataclass(frozen=True, kw_only=True)
class AuditRecord(Record):
    """Everything that `doldrum audit` found, beside the rows in rows.parquet and the files in pictures/.

    Parameters
    ----------
    created : UTC time, ISO 8601
    doldrum : version of doldrum
    command : how to repeat it
    seed : the draws' seed; secret until the audit was over
    model : {name, sha256, format, input_shape (C, H, W), num_classes, class_names or null, preprocessing or null,
        notes: [text]}
    clean : {source, fit, calibration: numbers of images, accuracy: {value, lower, upper, labelled} or null,
        claimed or null}, or null without clean images
    images : {source, scanned, skipped: [{id, why}], unlisted}
    promise : {detector, fpr, forwards, lower, upper, num_calibration}, or null where inputs were ranked only; lower and
        upper are the 95% interval of the realised false-positive rate
    flags : {count, expected, limit, more_than_promised, discoveries, fdr}, or null
    concentration : {label, flagged, scanned, p_value}, or null: the predicted class that holds more of the flags than chance explains
    band : one {name, strengths, low, middle, high} a probe family: 5%, 50% and 95% quantiles, over clean inputs (in ranking
        only: over the images themselves), of the share of draws that kept the label
    verdict : {exit_code: 0 or 3, heading, sentences: [text]}
    explanations : Explanations or null: of the most suspicious flagged images; their pictures are in explanations/

    Raises InputError for a value of another kind, a share outside [0, 1], or text over 4,000 characters.
    """

    created: str
    doldrum: str
    command: str
    seed: int
    model: Mapping[str, Any]
    clean: Mapping[str, Any] | None
    images: Mapping[str, Any]
    promise: Mapping[str, Any] | None
    flags: Mapping[str, Any] | None
    concentration: Mapping[str, Any] | None
    band: tuple[Mapping[str, Any], ...]
    verdict: Mapping[str, Any]
    explanations: Explanations | None = None
    version: int = VERSION

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        made = {"explanations": None, **values}
        if made["explanations"] is not None:
            made["explanations"] = Explanations.from_dict(made["explanations"])
        return super().from_dict(made)

    def __post_init__(self) -> None:
        check_version(self.version)

        def put(name: str, value: Any) -> None:
            object.__setattr__(self, name, value)

        for name in ("created", "doldrum", "command"):
            put(name, _text(getattr(self, name), name))
        put("seed", whole(self.seed, "seed"))
        put("model", _model(_keys(self.model, "model", _MODEL)))
        put("clean", None if self.clean is None else _clean(_keys(self.clean, "clean", _CLEAN)))
        put("images", _images(_keys(self.images, "images", ("source", "scanned", "skipped", "unlisted"))))
        put("promise", None if self.promise is None else _promise(_keys(self.promise, "promise", _PROMISE)))
        put("flags", None if self.flags is None else _flags(_keys(self.flags, "flags", _FLAGS)))
        if (self.promise is None) != (self.flags is None):
            raise InputError("expected flags with a promise and none without, got one of the two; give both or neither")
        if self.concentration is not None:
            put("concentration", _concentration(_keys(self.concentration, "concentration", _CONCENTRATION)))
        put("band", tuple(_family(_keys(f, "band", _BAND)) for f in sequence(self.band, "band")))
        put("verdict", _verdict(_keys(self.verdict, "verdict", ("exit_code", "heading", "sentences"))))

    @property
    def conditions(self) -> tuple[tuple[str, float], ...]:
        """(family, strength) of every condition, in the order in which rows list them."""
        return tuple((f["name"], s) for f in self.band for s in f["strengths"])


_MODEL = ("name", "sha256", "format", "input_shape", "num_classes", "class_names", "preprocessing", "notes")
_CLEAN = ("source", "fit", "calibration", "accuracy", "claimed")
_PROMISE = ("detector", "fpr", "forwards", "lower", "upper", "num_calibration")
_FLAGS = ("count", "expected", "limit", "more_than_promised", "discoveries", "fdr")
_CONCENTRATION = ("label", "flagged", "scanned", "p_value")
_BAND = ("name", "strengths", "low", "middle", "high")


def _keys(values: Any, name: str, wanted: tuple[str, ...]) -> dict[str, Any]:
    found = jsonable(values, name)
    if set(found) != set(wanted):
        raise InputError(f"expected {name} with keys {sorted(wanted)}, got {sorted(found)[:20]}; run the audit again")
    return found


def _text(value: Any, name: str, most: int = _TEXT) -> str:
    if not isinstance(value, str) or len(value) > most:
        kind = f"{len(value):,} characters" if isinstance(value, str) else type(value).__name__
        raise InputError(f"expected {name} as text of at most {most:,} characters, got {kind}; shorten it")
    return value


def _texts(values: Any, name: str, most: int) -> list[str]:
    found = sequence(values, name)
    if len(found) > most:
        raise InputError(f"expected at most {most:,} texts in {name}, got {len(found):,}; leave some out")
    return [_text(v, name) for v in found]


def _model(model: dict[str, Any]) -> dict[str, Any]:
    shape = [whole(s, "input_shape", least=1) for s in sequence(model["input_shape"], "input_shape")]
    if len(shape) != 3:
        raise InputError(f"expected input_shape (C, H, W), got {shape}; channels first")
    for name in ("name", "sha256", "format"):
        _text(model[name], f"model {name}")
    classes = whole(model["num_classes"], "num_classes", least=1)
    if model["class_names"] is not None and len(_texts(model["class_names"], "class_names", _CLASSES)) != classes:
        raise InputError(f"expected {classes} class names, got {len(model['class_names'])}; one a class, or null")
    if model["preprocessing"] is not None:
        jsonable(model["preprocessing"], "preprocessing")
    _texts(model["notes"], "notes", 100)
    return model


def _clean(clean: dict[str, Any]) -> dict[str, Any]:
    _text(clean["source"], "clean source")
    whole(clean["fit"], "fit")
    whole(clean["calibration"], "calibration")
    if clean["accuracy"] is not None:
        accuracy = _keys(clean["accuracy"], "accuracy", ("value", "lower", "upper", "labelled"))
        for name in ("value", "lower", "upper"):
            share(accuracy[name], f"accuracy {name}")
        check_order(accuracy["lower"], accuracy["upper"], "accuracy")
        whole(accuracy["labelled"], "labelled", least=1)
    if clean["claimed"] is not None:
        share(clean["claimed"], "claimed")
    return clean


def _images(images: dict[str, Any]) -> dict[str, Any]:
    _text(images["source"], "images source")
    whole(images["scanned"], "scanned")
    whole(images["unlisted"], "unlisted")
    skipped = [_keys(s, "skipped", ("id", "why")) for s in sequence(images["skipped"], "skipped")]
    if len(skipped) > MOST_SKIPPED:
        raise InputError(
            f"expected at most {MOST_SKIPPED:,} skipped, got {len(skipped):,}; count the others as unlisted"
        )
    for one in skipped:
        _text(one["id"], "skipped id")
        _text(one["why"], "skipped why")
    return images


def _promise(promise: dict[str, Any]) -> dict[str, Any]:
    _text(promise["detector"], "detector")
    for name in ("fpr", "lower", "upper"):
        share(promise[name], name)
    whole(promise["forwards"], "forwards", least=1)
    whole(promise["num_calibration"], "num_calibration", least=1)
    return promise


def _flags(flags: dict[str, Any]) -> dict[str, Any]:
    for name in ("count", "limit", "discoveries"):
        whole(flags[name], name)
    number(flags["expected"], "expected")
    share(flags["fdr"], "fdr")
    if not isinstance(flags["more_than_promised"], bool):
        raise InputError(f"expected more_than_promised as true or false, got {flags['more_than_promised']!r}")
    return flags


def _concentration(found: dict[str, Any]) -> dict[str, Any]:
    whole(found["label"], "label", least=-1)
    share(found["p_value"], "p_value")
    if whole(found["flagged"], "flagged") > whole(found["scanned"], "scanned"):
        raise InputError(f"expected no more flagged than scanned, got {found['flagged']} of {found['scanned']}")
    return found


def _family(family: dict[str, Any]) -> dict[str, Any]:
    _text(family["name"], "family")
    sizes = {len(numbers(family["strengths"], "strengths"))}
    for name in ("low", "middle", "high"):
        sizes.add(len([share(v, name) for v in sequence(family[name], name)]))
    if len(sizes) != 1 or not family["strengths"]:
        raise InputError(
            f"expected a low, middle and high a strength in {family['name']!r}, got lengths {sorted(sizes)}"
        )
    return family


def _verdict(verdict: dict[str, Any]) -> dict[str, Any]:
    if isinstance(verdict["exit_code"], bool) or verdict["exit_code"] not in (0, 3):
        raise InputError(f"expected exit code 0 or 3, got {verdict['exit_code']!r}; others are errors")
    _text(verdict["heading"], "heading")
    _texts(verdict["sentences"], "sentences", 100)
    return verdict
