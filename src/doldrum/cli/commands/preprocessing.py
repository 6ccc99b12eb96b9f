"""What `doldrum doctor MODEL --clean DIR` prints: the usual preprocessings of a model, and which one fits."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from doldrum.cli.output import emit, message
from doldrum.progress import waiting

if TYPE_CHECKING:
    from doldrum.suspects import Suspect
    from doldrum.suspects.preprocessing_check import PreprocessingCheck

__all__ = ["look_at_model", "look_at_preprocessing", "preprocessing_table", "preprocessing_values"]


def look_at_model(model: str, clean: str | None, asked: dict[str, Any], *, as_json: bool, out: Path | None) -> None:
    """Open a model, print how, and with clean images which of the usual preprocessings fits."""
    from doldrum.cli.inputs import load_model
    from doldrum.opening import ModelSettings, notes_in_flags

    settings = ModelSettings(model=model, **asked)
    suspect = load_model(settings)
    classifier = suspect.classifier
    told = {
        "model": settings.shown_model,
        "format": suspect.format,
        "input_shape": list(classifier.input_shape),
        "num_classes": classifier.num_classes,
        "outputs": classifier.outputs,
        "preprocessing": asdict(suspect.preprocessing),
        "class_names": suspect.class_names and list(suspect.class_names),
        "notes": notes_in_flags(suspect.notes),
    }
    if clean is None:
        emit(told, as_json=as_json, out=out, table=_opened_table(told))
        return
    check = look_at_preprocessing(suspect, clean, resize=settings.resize)
    emit({**told, "check": preprocessing_values(check)}, as_json=as_json, out=out, table=preprocessing_table(check))


def _opened_table(told: dict[str, Any]) -> Any:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="how the model is opened", title_justify="left", show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in told.items():
        if name != "notes":
            table.add_row(name.replace("_", " "), escape(str(value)))
    return table


def look_at_preprocessing(
    suspect: Suspect, clean: str, *, resize: Literal["stretch", "crop"] = "stretch", most: int = 300, seed: int = 0
) -> PreprocessingCheck:
    """The body of the command: the check on at most `most` images of `clean`, drawn at random, with their labels where they are known."""
    from doldrum.cli.clean_sample import clean_sample
    from doldrum.suspects.preprocessing_check import preprocessing_report

    sample = clean_sample(clean, suspect, resize=resize, most=most, seed=seed)
    message(sample.how if sample.labels is not None else f"accuracy is not compared: {sample.how}")
    with waiting("trying the usual preprocessings"):
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
