"""What a check says, in one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from doldrum.suspects.preprocessing_check.compare import FEWEST, Row

__all__ = ["verdict_of", "warning_of"]


def warning_of(rows: Sequence[Row], *, images: int, labelled: bool, num_classes: int) -> str | None:
    """One sentence that begins with "note:" and names flags, where another candidate is shown to be better; else None."""
    best, opened = rows[0], next(row for row in rows if row.opened)
    if not best.better:
        return None
    how = f"with {best.flags}" if best.flags else f"with {best.name}, for which there is no flag: export the model so,"
    if best.accuracy is not None and opened.accuracy is not None:
        return (
            f"note: {how} the model is right on {best.accuracy.value:.0%} of {images} clean images, as it was opened "
            f"({opened.name}) on {opened.accuracy.value:.0%}; its preprocessing looks wrong"
        )
    return (
        f"note: {how} the model tells {images} clean images apart better ({_answers(best)}) than as it was opened ({opened.name}: "
        f"{_answers(opened)}); its preprocessing looks wrong"
    )


def _answers(row: Row) -> str:
    many = "1 label" if row.classes == 1 else f"{row.classes} labels"
    return f"{many}, the largest of {row.largest:.0%}, {row.kept:.0%} kept under small changes"


def verdict_of(rows: Sequence[Row], *, images: int, labelled: bool, num_classes: int) -> str:
    """The same for a reader who asked: what fits, and how sure that is."""
    best, opened = rows[0], next(row for row in rows if row.opened)
    warning = warning_of(rows, images=images, labelled=labelled, num_classes=num_classes)
    if warning is not None:
        return f"{best.name} fits best: {warning.removeprefix('note: ')}."
    if max(row.information for row in rows) < 1e-9:
        return "All images get one label, or none that lasts, under every candidate: nothing can be said of the preprocessing."
    if not labelled and images < FEWEST:
        return f"{images} images without labels are too few to compare candidates; give {FEWEST} or more, or labels."
    return f"None of the {len(rows) - 1} other candidates is shown to be better than as the model was opened ({opened.name})."
