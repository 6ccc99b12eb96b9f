"""The verdict of an audit: say in plain words what its numbers show, and what they can't show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from doldrum.records.explanations import Explanations
from doldrum.records.inspection import InspectionRecord

__all__ = ["of_both", "promised", "ranked"]

_RARE = 0.01  # a p-value below which flags are said to concentrate


def promised(
    flags: Mapping[str, Any],
    found: Mapping[str, Any] | None,
    *,
    scanned: int,
    class_names: Sequence[str] | None,
    note: str,
    doubts: Sequence[str],
    remarks: Sequence[str],
    unreached: int = 0,
    explanations: Explanations | None = None,
) -> dict[str, Any]:
    """Return the verdict {exit_code, heading, sentences} of an audit that promises a false-positive rate.

    `unreached` is the number of images that were not scanned before the time was over. Both the flagged images and the
    discoveries are the images with the smallest p-values, so one of these two sets contains the other. There are two
    reasons for exit code 3: more flags than the limit, or at least one discovery. The heading of the verdict names the
    reason for the exit code.
    """
    more = flags["more_than_promised"] or flags["discoveries"] > 0
    heading = _heading(flags)
    sentences = [*doubts, *_unreached(unreached, scanned), _counted(flags, scanned)]
    if flags["discoveries"]:
        sentences.append(_discovered(flags))
    if told := _concentrated(found, flags, scanned, class_names, more):
        sentences.append(told)
    if explanations is not None:
        sentences.append(_explained(explanations))
    if more:
        sentences.append(
            "A flag is not proof. A flag means that the model's answers around this image differ from those around clean images. The reason for a flag can be a trigger, but also a sticker, a damaged file or a picture from another source. Look for something that all flagged pictures have in common."
        )
        sentences.append("An image that was not flagged may still carry a trigger: some triggers are hard to detect.")
    else:
        sentences.append(
            "This detector found nothing suspicious in these images. This result does not mean that the model is clean: a backdoor acts only on images that "
            "carry its trigger, and some triggers are hard to detect."
        )
        if note.startswith("no set can be"):
            sentences.append(f"This audit cannot distinguish a few triggered images from false alarms: {note}.")
        else:
            hidden = min(scanned, 1 + max(0, flags["limit"] - round(flags["expected"])))
            sentences.append(
                f"{'One triggered image' if hidden == 1 else f'Up to about {hidden:,} triggered images'} could go unnoticed among the false alarms. Fewer triggered images can go unnoticed if you give more "
                "clean images or a smaller --fpr."
            )
    sentences += remarks
    if unreached:
        heading = f"{heading}, among the {scanned:,} images scanned in time"
    if doubts:
        heading = f"The model performs worse on clean images than it should. {heading}"
    return {"exit_code": 3 if more else 0, "heading": heading, "sentences": sentences}


def _explained(explanations: Explanations) -> str:
    """Say in how many of the explained images a trigger is proven, and describe the first proof."""
    count, proven = len(explanations.explained), explanations.proven
    of = "the most suspicious flagged image" if count == 1 else f"the {count:,} most suspicious flagged images"
    if not proven:
        return f"No trigger was proven in {of}. Possible triggers from flagged images change the class of clean images hardly more often than possible triggers from trusted images of the same class."
    first = next(one for one in explanations.explained if one.proven)
    return f"A trigger is proven in {proven:,} of {of}. {first.why}"


def _heading(flags: Mapping[str, Any]) -> str:
    """The heading of the verdict, which depends on the number of flags and of discoveries."""
    if flags["more_than_promised"]:
        return "More images were flagged than false alarms explain"
    if not flags["discoveries"]:
        return "No more images were flagged than false alarms explain"
    count = flags["discoveries"]
    stand = "1 image stands out" if count == 1 else f"{count:,} images stand out"
    return f"No more images were flagged than false alarms explain, but {stand} more than chance explains"


def _counted(flags: Mapping[str, Any], scanned: int) -> str:
    number = f"{flags['expected']:.1f}".removesuffix(".0")
    expected = (
        "fewer than 0.1 flags" if flags["expected"] < 0.05 else f"about {number} {'flag' if number == '1' else 'flags'}"
    )
    return (
        f"{flags['count']:,} of {_images(scanned)} {'was' if 1 in (flags['count'], scanned) else 'were'} flagged. If all "
        f"images were clean, {expected} would be expected, and in fewer than 5% of audits the number of flags would be above {flags['limit']:,}."
    )


def _discovered(flags: Mapping[str, Any]) -> str:
    """Say whether all discoveries are flagged images, or whether some discoveries are images without a flag."""
    count, flagged = flags["discoveries"], flags["count"]
    far = f"on average, at most {flags['fdr']:.0%} of discoveries are clean images (Benjamini-Hochberg)"
    if count == 1 <= flagged:
        return f"{'The' if flagged == 1 else '1'} flagged image is a discovery: {far}."
    if count <= flagged:
        return f"{'All' if count == flagged else f'{count:,}'} flagged images are discoveries: {far}."
    within = "none of which is flagged on its own" if not flagged else f"the {flagged:,} flagged among them"
    return f"{count:,} images, {within}, are discoveries only as a set: {far}. Each of these images alone could be a false alarm. Together, these images are too many to be false alarms."


def _images(count: int) -> str:
    return "1 image" if count == 1 else f"{count:,} images"


def _concentrated(
    found: Mapping[str, Any] | None, flags: Mapping[str, Any], scanned: int, names: Sequence[str] | None, more: bool
) -> str:
    """Say whether the flags concentrate on one predicted class; "" if fewer than two images were flagged."""
    if found is None or flags["count"] < 2:
        return ""
    if found["flagged"] == 1:
        return f"No two of the {flags['count']:,} flagged images are predicted as the same class."
    label = found["label"]
    name = "no valid answer" if label < 0 else f"class {label}" + (f" ({names[label]})" if names else "")
    share = (
        f"{found['flagged']:,} of the {flags['count']:,}"
        if found["flagged"] < flags["count"]
        else f"All {flags['count']:,}"
    )
    start = (
        f"{share} flagged images are predicted as {name}, and so are {found['scanned']:,} of all "
        f"{scanned:,} scanned images (p {_small(found['p_value'])})"
    )
    if found["scanned"] == scanned:
        return f"{start}. Since all scanned images get this prediction, nothing can be said about whether the flags concentrate on this prediction."
    if found["p_value"] >= _RARE and found["flagged"] == flags["count"]:
        return f"{start}. The flags are too few, or the class is too common, to say whether they concentrate on it."
    if found["p_value"] >= _RARE:
        would = (
            " If there were a backdoor with one target class, the flags would concentrate on this class."
            if more
            else ""
        )
        return f"{start}: the flags do not concentrate on one class.{would}"
    if label < 0:
        return f"{start}. For these flagged images, the model gives no valid scores. So the flags do not show a target class."
    if more:
        return f"{start}. A backdoor with this target class would look like this."
    return f"{start}. False alarms may also concentrate on one class. There are no more flags than false alarms explain, so this concentration says little."


def _small(p: float) -> str:
    """A p-value as text. A p-value below 1e-15 is written as "< 1e-15", because such a small p-value is not exact.

    >>> _small(0.0), _small(0.0123)
    ('< 1e-15', '= 0.012')
    """
    return f"= {p:.2g}" if p >= 1e-15 else "< 1e-15"


def _unreached(count: int, scanned: int) -> list[str]:
    if not count:
        return []
    return [
        f"{count:,} of {scanned + count:,} images {'was' if count == 1 else 'were'} not scanned, because the time given by --budget ran out. The report says nothing about "
        "these images, which are listed as skipped."
    ]


def ranked(*, scanned: int, doubts: Sequence[str], remarks: Sequence[str], unreached: int = 0) -> dict[str, Any]:
    """The verdict {exit_code, heading, sentences} of an audit without clean images."""
    sentences = [
        *doubts,
        *_unreached(unreached, scanned),
        f"The {scanned:,} images are sorted: the most suspicious image comes first. No image is flagged, and no false-alarm rate is promised: every "
        "sorted list has a first image, even if all images are clean.",
        "Each image was compared with all other images, and some of these other images may carry a trigger. If many images carry the same trigger, these images "
        "look normal compared with one another. If half of the images or more carry the same trigger, the order means nothing.",
        "So the list only says where to look first. The list does not say whether or how many images are triggered, and says nothing about the model.",
        "To get flags with a promised rate of false alarms, give a few hundred images that you trust with --clean.",
        *remarks,
    ]
    return {
        "exit_code": 0,
        "heading": "Ranked, not flagged: there were no clean images to compare with",
        "sentences": sentences,
    }


def of_both(images: Mapping[str, Any], model: InspectionRecord | None, remarks: Sequence[str]) -> dict[str, Any]:
    """Combine the verdict on the images with the verdict on the model, as {exit_code, heading, sentences}. If the model
    was not inspected, `remarks` give the reason."""
    if model is None:
        return {**images, "sentences": [*images["sentences"], *remarks]}
    found = model.verdict
    return {
        "exit_code": max(images["exit_code"], found["exit_code"]),
        "heading": f"Images: {_small_first(images['heading'])}. Model: {_small_first(found['heading'])}",
        "sentences": images["sentences"],
    }


def _small_first(text: str) -> str:
    return text[:1].lower() + text[1:]
