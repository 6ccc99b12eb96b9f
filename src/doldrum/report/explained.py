"""The texts and pictures that pages show of explanations: for each image a sentence and rows of pictures.

Because the texts may come from an attacker, invisible characters are shown as codes, and HTML is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from doldrum.intake.text import visible
from doldrum.records.explanations import Explanations
from doldrum.report.pictures import Pictures, Shot
from doldrum.report.words import percent

__all__ = ["Answer", "Explained", "explained", "heading", "whose_trigger"]

_MOST = 16


@dataclass(frozen=True)
class Answer:
    """A picture of a held-back image, its predicted class, and whether this is the class of the flagged image."""

    shot: Shot
    label: str
    hit: bool


@dataclass(frozen=True)
class Explained:
    """An explanation as text, numbers and pictures. Each row in `rows` says how the held-back images were changed, and
    has the predicted classes."""

    image: str
    label: str
    proven: bool
    why: str
    figures: tuple[tuple[str, str], ...]
    pictures: tuple[tuple[str, Shot], ...]
    rows: tuple[tuple[str, tuple[Answer, ...]], ...]


def heading(explanations: Mapping[str, Any]) -> str:
    """A heading that says in how many images a trigger is proven.

    >>> heading({"explained": [{"proven": True}, {"proven": False}]})
    'A trigger is proven in 1 of 2 images'
    """
    found = explanations["explained"]
    proven = sum(one["proven"] for one in found)
    of = "1 image" if len(found) == 1 else f"{len(found):,} images"
    return f"A trigger is proven in {proven:,} of {of}" if proven else f"No trigger is proven in {of}"


def whose_trigger(explanations: Explanations) -> str | None:
    """One or two sentences that say which proven trigger is in trigger.json; None if nothing is proven."""
    best = explanations.best
    if best is None or best.success is None:
        return None
    first = f"trigger.json contains the trigger that was found in {visible(best.image)}."
    if explanations.proven == 1:
        return first
    return f"{first} Of the {explanations.proven:,} proven triggers, this trigger changes the prediction of the most held-back images: {best.success.hits:,} of {best.success.n:,}."


def explained(
    explanations: Mapping[str, Any], class_names: Sequence[str] | None, pictures: Pictures
) -> list[Explained]:
    """Convert `Explanations.to_dict()` to the form that a page shows, with proven images first.

    The pictures are files NNN-NAME.png, where NNN is the number of the explanation.
    """

    def named(label: int) -> str:
        return "no valid answer" if label < 0 else f"{label}: {class_names[label]}" if class_names else f"class {label}"

    order = sorted(range(len(explanations["explained"])), key=lambda i: (not explanations["explained"][i]["proven"], i))
    made = []
    for i in order:
        one = explanations["explained"][i]
        wanted = (
            ("image", "flagged image"),
            ("found", "part that was found in the flagged image"),
            ("control", "best control"),
            ("control-found", "part that was found in the best control image"),
        )
        shots = [(name, pictures.part(f"{i:03d}-{key}.png")) for key, name in wanted]
        made.append(
            Explained(
                image=visible(one["image"]),
                label=visible(named(one["label"])),
                proven=one["proven"],
                why=visible(one["why"], most=2000),
                figures=_figures(one),
                pictures=tuple((name, shot) for name, shot in shots if shot),
                rows=tuple(_rows(i, one, pictures, named)),
            )
        )
    return made


def _rows(i: int, one: Mapping[str, Any], pictures: Pictures, named: Any) -> list[tuple[str, tuple[Answer, ...]]]:
    labels = one["labels"]
    if labels is None:
        return []
    made = []
    for key, name, words in (
        ("clean", "clean", "clean images, unchanged"),
        ("with-found", "found", "clean images with the part that was found in the flagged image"),
        ("with-control", "control", "clean images with the part that was found in the best control image"),
    ):
        answers = [
            Answer(shot, visible(named(label)), label == one["label"])
            for n, label in enumerate(labels[name][:_MOST])
            if (shot := pictures.part(f"{i:03d}-{key}-{n}.png"))
        ]
        if answers:
            made.append((words, tuple(answers)))
    return made


def _figures(one: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    if one["success"] is None:
        return ()
    made = [("success", _share(one["success"])), (f"best of {one['controls']} controls", _share(one["control"]))]
    made.append(("p-value, corrected", f"{one['p_adjusted']:.2g}"))
    if one["holds"] is not None:
        made.append(
            ("share of trusted images that contain the found part as strongly as this image", percent(one["holds"]))
        )
    return tuple(made)


def _share(found: Mapping[str, Any]) -> str:
    return f"{percent(found['value'])} of {found['n']:,} ({percent(found['lower'])} to {percent(found['upper'])})"
