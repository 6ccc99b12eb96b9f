"""Outside of the confined process: the facts of an audit, each checked once, before anything is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from doldrum.confined.facts import lines, names_of, skipped, whole

__all__ = ["AuditFacts"]


@dataclass(frozen=True, kw_only=True)
class AuditFacts:
    """What the confined process knows of model, clean images and images: counts are whole numbers, text is visible.

    What else is in `model`, `clean`, `images`, `band` and `forwards` the record itself checks, which holds it as it is here.

    Parameters
    ----------
    model : {format, input_shape, num_classes, preprocessing, class_names, notes}
    shape : (C, H, W)
    clean : {fit, calibration, accuracy, claimed}, or None in a ranking
    images : {scanned, skipped, unlisted}
    unreached : int
        Images for which there was no time.
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
        """The facts that came back; raises what facts of another kind raise by themselves, and ValueError."""
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
        """Probe families times strengths."""
        return sum(len(family["strengths"]) for family in self.band)

    @property
    def noises(self) -> list[float]:
        """The strengths of the first family, of which pictures are shown."""
        return [float(strength) for strength in self.band[0]["strengths"]]
