"""The record of an audit of a model and images that somebody else made.

The texts in an audit's record come from files that an attacker may have written. Escape each text of a record at the
place where the text is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from doldrum.errors import InputError
from doldrum.records.base import VERSION, Record
from doldrum.records.checks import number, numbers, sequence, share, whole
from doldrum.records.explanations import Explanations
from doldrum.records.inspection import InspectionRecord
from doldrum.records.material import accuracy, check_head, keys, text, verdict
from doldrum.tables import html_table

__all__ = ["MOST_SKIPPED", "AuditRecord"]

MOST_SKIPPED = 10_000
"""A record lists at most this many skipped files; `images["unlisted"]` counts the others."""


@dataclass(frozen=True, kw_only=True)
class AuditRecord(Record):
    """All results of `doldrum audit`, except the rows in rows.parquet and the files in pictures/.

    Parameters
    ----------
    created : UTC time, ISO 8601
    doldrum : version of doldrum
    command : the command line that repeats the audit
    seed : the seed of the random perturbations; it was secret until the audit was finished
    model : {name, sha256, format, input_shape (C, H, W), num_classes, class_names or null, preprocessing or null, notes: [text]}
    clean : {source, fit, calibration: numbers of images, accuracy: {value, lower, upper, labelled} or null, claimed or null}, or null without clean images
    images : {source, scanned, skipped: [{id, why}], unlisted}
    promise : {detector, fpr, forwards, lower, upper, num_calibration}, or null if inputs were ranked but not flagged. `fpr` is the
    false-positive rate that the detector promises. `lower` and `upper` are the limits of the 95% interval of the actual
    false-positive rate
    flags : {count, expected, limit, more_than_promised, discoveries, fdr}, or null
    concentration : {label, flagged, scanned, p_value}, or null if no image was flagged. `label` is the predicted class whose number of flags is hardest to explain by chance
    band : {name, strengths, low, middle, high} for each kind of perturbation: the 5%, 50% and 95% quantiles of the share of perturbed copies that keep the label. The quantiles are over clean inputs; if the audit had no clean inputs and only ranked the scanned images, the quantiles are over the scanned images
    verdict : {exit_code: 0 or 3, heading, sentences: [text]}, about the images, and about the model if it was inspected
    inspection : an :class:`doldrum.records.inspection.InspectionRecord` as a dictionary, or null; its files are in the folder inspection
    explanations : Explanations of the most suspicious flagged images, or null; their pictures are in explanations/

    Raises InputError for a value of the wrong type, a share outside [0, 1], or text over 4,000 characters.
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
    inspection: Mapping[str, Any] | None = None
    explanations: Explanations | None = None
    version: int = VERSION

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        made = {"explanations": None, **values}
        if made["explanations"] is not None:
            made["explanations"] = Explanations.from_dict(made["explanations"])
        return super().from_dict(made)

    def __post_init__(self) -> None:
        check_head(self)

        def put(name: str, value: Any) -> None:
            object.__setattr__(self, name, value)

        put("clean", None if self.clean is None else _clean(keys(self.clean, "clean", _CLEAN)))
        put("images", _images(keys(self.images, "images", ("source", "scanned", "skipped", "unlisted"))))
        put("promise", None if self.promise is None else _promise(keys(self.promise, "promise", _PROMISE)))
        put("flags", None if self.flags is None else _flags(keys(self.flags, "flags", _FLAGS)))
        if (self.promise is None) != (self.flags is None):
            raise InputError(
                "expected both flags and promise, or neither, got only one of the two; give both or neither"
            )
        if self.concentration is not None:
            put("concentration", _concentration(keys(self.concentration, "concentration", _CONCENTRATION)))
        put("band", tuple(_family(keys(f, "band", _BAND)) for f in sequence(self.band, "band")))
        put("verdict", verdict(self.verdict))
        if self.inspection is not None:
            put("inspection", InspectionRecord.from_dict(self.inspection).to_dict())

    def _repr_html_(self) -> str:
        """The verdict in words, for notebooks; the report shows all results."""
        flags = self.flags or {}
        model: list[str] = [] if self.inspection is None else self.inspection["verdict"]["sentences"]
        return html_table(
            self.verdict["heading"],
            {
                "scanned": f"{self.images['scanned']:,}",
                "flagged": flags.get("count"),
                "flags expected from clean images, at most": flags.get("limit"),
                "discoveries": flags.get("discoveries"),
                "could not be read": len(self.images["skipped"]) + self.images["unlisted"] or None,
            },
            columns=["what it means"],
            rows=[[sentence] for told in (self.verdict["sentences"], model) for sentence in told],
        )

    @property
    def conditions(self) -> tuple[tuple[str, float], ...]:
        """The kind and strength of each perturbation, in the order of the values in rows.parquet."""
        return tuple((f["name"], s) for f in self.band for s in f["strengths"])


_CLEAN = ("source", "fit", "calibration", "accuracy", "claimed")
_PROMISE = ("detector", "fpr", "forwards", "lower", "upper", "num_calibration")
_FLAGS = ("count", "expected", "limit", "more_than_promised", "discoveries", "fdr")
_CONCENTRATION = ("label", "flagged", "scanned", "p_value")
_BAND = ("name", "strengths", "low", "middle", "high")


def _clean(clean: dict[str, Any]) -> dict[str, Any]:
    text(clean["source"], "clean source")
    whole(clean["fit"], "fit")
    whole(clean["calibration"], "calibration")
    accuracy(clean["accuracy"], clean["claimed"])
    return clean


def _images(images: dict[str, Any]) -> dict[str, Any]:
    text(images["source"], "images source")
    whole(images["scanned"], "scanned")
    whole(images["unlisted"], "unlisted")
    skipped = [keys(s, "skipped", ("id", "why")) for s in sequence(images["skipped"], "skipped")]
    if len(skipped) > MOST_SKIPPED:
        raise InputError(
            f"expected at most {MOST_SKIPPED:,} skipped files, got {len(skipped):,}; count the others as unlisted"
        )
    for one in skipped:
        text(one["id"], "skipped id")
        text(one["why"], "skipped why")
    return images


def _promise(promise: dict[str, Any]) -> dict[str, Any]:
    text(promise["detector"], "detector")
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
        raise InputError(
            f"expected no more flagged than scanned images, got {found['flagged']} flagged and {found['scanned']} scanned images"
        )
    return found


def _family(family: dict[str, Any]) -> dict[str, Any]:
    text(family["name"], "family")
    sizes = {len(numbers(family["strengths"], "strengths"))}
    for name in ("low", "middle", "high"):
        sizes.add(len([share(v, name) for v in sequence(family[name], name)]))
    if len(sizes) != 1 or not family["strengths"]:
        raise InputError(
            f"expected a low, middle and high value per strength in {family['name']!r}, got lengths {sorted(sizes)}"
        )
    return family
