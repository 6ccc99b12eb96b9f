"""Outside of the confined process: check the facts of an audit that the process returns, before they are used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from doldrum.confined.facts import lines, names_of, skipped, whole

__all__ = ["AuditFacts"]


@dataclass(frozen=True, kw_only=True)
class AuditFacts:
    """The facts that the confined process returns about the model, the clean images and the scanned images.

    Counts are checked to be whole numbers, and control characters in text are escaped. All other values of the fields
    `model`, `clean`, `images`, `band` and `forwards` go unchanged into the record, and the class of the record checks
    these values.

    Parameters
    ----------
    model : {format, input_shape, num_classes, preprocessing, class_names, notes}
    shape : (C, H, W)
    clean : {fit, calibration, accuracy, claimed}, or None in a ranking
    images : {scanned, skipped, unlisted}
    unreached : int
        The number of images that were not scanned because the time given by --budget ran out.
    """

    model: Mapping[str, Any]
    shape: tuple[int, int, int]
    clean: Mapping[str, Any] | None
    images: Mapping[str, Any]
    unreached: int
    forwards: Any
    band: tuple[Mapping[str, Any], ...]
    doubts: list[str]
    remarks: list[str]

    @classmethod
    def checked(cls, found: Mapping[str, Any], *, ranking: bool) -> AuditFacts:
        """Check the facts that the confined process returned. If the facts have a wrong form, ValueError, KeyError,
        TypeError or a similar error is raised."""
        model, images = found["model"], found["images"]
        channels, height, width = model["input_shape"]
        shape = (whole(channels), whole(height), whole(width))
        clean = None
        if not ranking:
            clean = {name: found["clean"][name] for name in ("fit", "calibration", "accuracy", "claimed")}
            whole(clean["calibration"])
        return cls(
            model={
                "format": model["format"],
                "input_shape": list(shape),
                "num_classes": whole(model["num_classes"]),
                "preprocessing": model["preprocessing"],
                "class_names": names_of(model["class_names"], most=100),
                "notes": lines(model["notes"]),
            },
            shape=shape,
            clean=clean,
            images={
                "scanned": whole(images["scanned"]),
                "skipped": skipped(images["skipped"]),
                "unlisted": images["unlisted"],
            },
            unreached=whole(images["unreached"], least=0),
            forwards=found["forwards"],
            band=tuple(found["band"]),
            doubts=lines(found["doubts"]),
            remarks=lines(found["remarks"]),
        )

    @property
    def conditions(self) -> int:
        """The number of conditions that were measured: the strengths of all kinds of perturbation (probe families)
        together."""
        return sum(len(family["strengths"]) for family in self.band)

    @property
    def noises(self) -> list[float]:
        """The strengths of the first probe family (kind of perturbation), which is noise. The report shows pictures of
        images with noise of these strengths."""
        return [float(strength) for strength in self.band[0]["strengths"]]
