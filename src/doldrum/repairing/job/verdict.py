"""The verdict of a repair in plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["told"]

_HEADINGS = {
    "trigger gone": "The recovered trigger no longer works",
    "trigger still works": "The recovered trigger still works",
    "not shown to be gone": "Not shown to be repaired: the recovered trigger may still work",
    "no trigger to test": "Repaired; there was no trigger to test the repair with",
}


def told(
    word: str,
    *,
    accuracy: Mapping[str, Any] | None,
    agreement: Mapping[str, Any],
    success: Mapping[str, Any] | None,
    larger: float | None,
    clean: Mapping[str, Any],
    recovered: Mapping[str, Any] | None,
    names: Sequence[str] | None,
    method: str,
    remarks: Sequence[str],
) -> dict[str, Any]:
    """The verdict of a repair as {word, exit_code, heading, sentences}."""
    sentences = [
        f"The model was repaired by {method}, with {clean['fit']:,} clean images. To test the repaired model, {clean['test']:,} other clean images were held back."
    ]
    if success is not None and recovered is not None:
        before, after = success["before"], success["after"]
        which = (
            "With the trigger" if recovered["inspector"] is not None else "With the trigger that the explanation proved"
        )
        sentences.append(
            f"{which}, {before['value']:.1%} of the held-back images{_of(recovered, names)} were classified as {_to(recovered, names)} before the repair, and {after['value']:.1%} after the repair "
            f"(95% interval: {after['lower']:.1%} to {after['upper']:.1%}; {after['n']:,} images)."
        )
        if word == "not shown to be gone":
            sentences.append(
                "There are too few held-back images to show that the trigger works on less than 20% of images. Give more clean images."
            )
        if word == "trigger still works":
            sentences.append(
                "Do not use this model. Repair the original model with more clean images, or with another method."
            )
    elif recovered is not None:
        sentences.append(
            "The trigger was not tested, because none of the held-back images is of its source class. Give more clean images of the trigger's source class."
        )
    else:
        sentences.append("No trigger was given, so no trigger could be tested. Inspect the repaired model.")
    if accuracy is not None:
        change = accuracy["difference"]
        sentences.append(
            f"On clean images, the accuracy is {accuracy['after']['value']:.1%} after the repair and was {accuracy['before']['value']:.1%} before. The accuracy changed by {100 * change['value']:+.1f} percentage points "
            f"(95% interval: {100 * change['lower']:+.1f} to {100 * change['upper']:+.1f})."
        )
    else:
        sentences.append(
            f"The clean images have no labels, so the accuracy is not known. For {agreement['value']:.1%} of the held-back images, the repaired model gives the same label as the original model."
        )
    if recovered is not None and recovered["inspector"] is None:
        sentences.append("No search was repeated. To look for other triggers, inspect the repaired model.")
    if larger is not None:
        sentences.append(
            f"After the repair, the smallest trigger that the inspector finds for the same classes is {larger:.2g} times as large as before."
        )
    return {
        "word": word,
        "exit_code": 3 if word in ("trigger still works", "not shown to be gone") else 0,
        "heading": _HEADINGS[word],
        "sentences": [*sentences, *remarks],
    }


def _of(recovered: Mapping[str, Any], names: Sequence[str] | None) -> str:
    source = recovered["source"]
    if source is None:
        return ""
    return (
        f" that the model predicts as class {source}"
        + (f" ({names[source]})" if names else "")
        + " without the trigger"
    )


def _to(recovered: Mapping[str, Any], names: Sequence[str] | None) -> str:
    target = recovered["target"]
    if target is None:
        return "another class"
    return f"class {target}" + (f" ({names[target]})" if names else "")
