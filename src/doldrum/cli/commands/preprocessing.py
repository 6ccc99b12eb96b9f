"""What `doldrum doctor MODEL --clean DIR` prints: the usual preprocessings of a model, and which one fits."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from doldrum.suspects import Suspect
    from doldrum.suspects.preprocessing_check import PreprocessingCheck

__all__ = ["look_at_preprocessing", "preprocessing_table", "preprocessing_values"]


def look_at_preprocessing(
    suspect: Suspect, clean: str, *, resize: Literal["stretch", "crop"] = "stretch", most: int = 300, seed: int = 0
) -> PreprocessingCheck:
    """The body of the command: the check on at most `most` images of `clean`, drawn at random, with their labels where they are known."""
    from doldrum.cli.clean_sample import clean_sample
    from doldrum.cli.output import message
    from doldrum.suspects.preprocessing_check import preprocessing_report

    sample = clean_sample(clean, suspect, resize=resize, most=most, seed=seed)
    message(sample.how if sample.labels is not None else f"accuracy is not compared: {sample.how}")
    return preprocessing_report(suspect, sample.images, sample.labels, resize=resize, most=most, seed=seed)


def preprocessing_values(check: PreprocessingCheck) -> dict[str, Any]:
    """The check as --json prints it, best first."""
    return asdict(check)


def preprocessing_table(check: PreprocessingCheck) -> Any:
    """A table, with a row a candidate, and the verdict below it."""
    from rich.markup import escape
    from rich.table import Table

    kind = "labelled" if check.labelled else "unlabelled"
    title = f"preprocessing, on {check.images:,} {kind} clean images ({check.forwards:,} forwards)"
    table = Table(title=title, title_justify="left", caption=escape(check.verdict), caption_justify="left")
    table.add_column("what the model is given", overflow="fold")
    table.add_column("flags", overflow="fold")
    for name in [*(["accuracy (95%)"] if check.labelled else []), "confidence", "classes seen", "largest", "kept"]:
        table.add_column(name, justify="right")
    for row in check.rows:
        found = []
        if row.accuracy is not None:
            found.append(f"{row.accuracy.value:.1%} ({row.accuracy.lower:.0%} to {row.accuracy.upper:.0%})")
        found.append("-" if row.confidence is None else f"{row.confidence:.2f}")
        found += [f"{row.classes} of {check.num_classes}", f"{row.largest:.0%}", f"{row.kept:.0%}"]
        flags = "(as opened)" if row.opened else row.flags or "(no flag)"
        style = "bold" if row.better else None
        table.add_row(escape(row.name), escape(flags), *found, style=style)
    return table
