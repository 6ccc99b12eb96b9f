"""The texts of a preprocessing check, in short sentences."""

from __future__ import annotations

from collections.abc import Sequence

from doldrum.suspects.preprocessing_check.compare import FEWEST, Row

__all__ = ["one_label_note", "verdict_of", "warning_of"]


def warning_of(rows: Sequence[Row], *, images: int, labelled: bool, num_classes: int) -> str | None:
    """A warning that begins with "note:" and names flags, if another candidate preprocessing is shown to be better; else None."""
    best, opened = rows[0], next(row for row in rows if row.opened)
    if not best.better:
        return None
    then = (
        f"With {best.flags}"
        if best.flags
        else f"With {best.name} (no option sets this preprocessing: change the preprocessing in the exported model)"
    )
    if best.accuracy is not None and opened.accuracy is not None:
        found = f"the model is right on {opened.accuracy.value:.0%} of {images} clean images. {then} the model is right on {best.accuracy.value:.0%}."
    else:
        found = f"the model gives {images} clean images {_answers(opened)}. {then} the model gives these images {_answers(best)}."
    return f"note: the preprocessing looks wrong. As the model was opened ({opened.name}), {found}"


def _answers(row: Row) -> str:
    many = "1 label" if row.classes == 1 else f"{row.classes} labels"
    return f"{many} ({row.largest:.0%} of the images get the most frequent label), and {row.kept:.0%} of the labels stay the same under small changes of the image"


def one_label_note(label: int, images: int) -> str:
    """A note about images that all got one label. The note does not claim an error, since all images may be of the same
    class.

    >>> one_label_note(3, 10)
    'note: all 10 images that were checked got one label, class 3. If they are of several classes, check how the model is opened'
    """
    got = "no label: NaN or infinite scores" if label < 0 else f"one label, class {label}"
    return f"note: all {images} images that were checked got {got}. If they are of several classes, check how the model is opened"


def verdict_of(rows: Sequence[Row], *, images: int, labelled: bool, num_classes: int) -> str:
    """The verdict of a check: which preprocessing fits best, how certain this is, and which other preprocessings fit
    about as well."""
    best, opened = rows[0], next(row for row in rows if row.opened)
    warning = warning_of(rows, images=images, labelled=labelled, num_classes=num_classes)
    if not labelled and images < FEWEST:
        return f"{images} images without labels are too few to compare candidates. Give {FEWEST} or more images, or give labels."
    if max(row.information for row in rows) < 1e-9 and warning is None:
        return "The preprocessing cannot be judged: with every candidate preprocessing, all images get one label, or labels that change with small changes of the image."
    if warning is None and opened.accuracy is not None and opened.accuracy.lower < 1.5 / num_classes:
        top = max(row.accuracy.value for row in rows if row.accuracy is not None)
        return (
            f"No candidate preprocessing makes the model accurate: accuracy is at most {top:.0%}, with {num_classes} classes. Check the size, the order of the "
            "classes, and whether the labels are those of the model."
        )
    if warning is None:
        told = f"Nothing shows that the model was opened in a wrong way ({opened.name}): none of the {len(rows) - 1} other candidates is shown to be better."
        told += (
            "" if labelled else " Without labels, a wrong preprocessing often goes unnoticed. Labels would show more."
        )
    else:
        told = f"{best.name} fits best: {warning.removeprefix('note: ')}"
    ties = [row.name for row in rows if row.tied]
    if not ties:
        return told
    return (
        f"{told} Near ties (candidates that differ from the best by less than the uncertainty) are: {'; '.join(ties)}."
    )
