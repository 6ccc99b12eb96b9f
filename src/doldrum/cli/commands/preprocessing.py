"""What `doldrum doctor MODEL --clean DIR` prints: the common preprocessings, and which one fits the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from shutil import get_terminal_size
from textwrap import fill
from typing import TYPE_CHECKING, Any, Literal

from doldrum.cli.as_opened import as_flag, effective
from doldrum.cli.out_file import JSON, check_out_file
from doldrum.cli.output import emit, message
from doldrum.errors import InputError
from doldrum.progress import waiting

if TYPE_CHECKING:
    from doldrum.cli.clean_sample import CleanSample
    from doldrum.suspects import Suspect
    from doldrum.suspects.preprocessing_check import PreprocessingCheck

__all__ = [
    "look_at_model",
    "look_at_preprocessing",
    "preprocessing_lines",
    "preprocessing_table",
    "preprocessing_values",
]

_NAMES = 10  # of classes that are listed


def look_at_model(model: str, clean: str | None, asked: dict[str, Any], *, as_json: bool, out: Path | None) -> None:
    """Open a model and print how it was opened. If clean images are given, also print which of the usual preprocessings
    fits the model."""
    from doldrum.cli.inputs import load_model
    from doldrum.opening import ModelSettings, notes_in_flags

    settings = ModelSettings(model=model, **asked)
    if out is not None:
        check_out_file(out, JSON, model=settings, images=[] if clean is None else [clean])
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
        below = (
            []
            if suspect.format == "doldrum checkpoint"
            else ["the model is opened as if these options had been given:", _flags(effective(suspect, settings))]
        )
        emit(told, as_json=as_json, out=out, table=_opened_table(told), below=below)
        return
    check = look_at_preprocessing(suspect, clean, resize=settings.resize)
    values = {**told, "check": preprocessing_values(check)}
    emit(values, as_json=as_json, out=out, table=preprocessing_table(check), below=preprocessing_lines(check))


def _flags(known: Mapping[str, Any]) -> str:
    return " ".join(as_flag(name, value) for name, value in known.items())


def _opened_table(told: dict[str, Any]) -> Any:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="how the model is opened", title_justify="left", show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    channels, height, width = told["input_shape"]
    names = told["class_names"] or []
    rows = {
        "model": told["model"],
        "format": told["format"],
        "images": f"{channels} x {height} x {width} (channels x height x width)",
        "classes": f"{told['num_classes']:,}",
        "class names": ", ".join(map(str, names[:_NAMES])) + (", ..." if len(names) > _NAMES else "") or "not known",
        "outputs": told["outputs"],
    }
    for name, value in rows.items():
        table.add_row(name, escape(str(value)))
    return table


def look_at_preprocessing(
    suspect: Suspect, clean: str, *, resize: Literal["stretch", "crop"] = "stretch", most: int = 300, seed: int = 0
) -> PreprocessingCheck:
    """Check which preprocessing fits the model, on at most `most` images of `clean`, which are drawn at random. Labels are used if they are known."""
    from doldrum.cli.clean_sample import clean_sample
    from doldrum.suspects.preprocessing_check import preprocessing_report

    sample = clean_sample(clean, suspect, resize=resize, most=most, seed=seed)
    message(sample.how if sample.labels is not None else f"accuracy is not compared: {sample.how}")
    _warn_of_order(suspect, sample, resize)
    with waiting("trying the usual preprocessings"):
        return preprocessing_report(suspect, sample.images, sample.labels, resize=resize, most=most, seed=seed)


def _warn_of_order(suspect: Suspect, sample: CleanSample, resize: Literal["stretch", "crop"]) -> None:
    """Warn if the labels number the classes in another order than the model does. With such labels, the accuracies in
    the table are meaningless."""
    from doldrum.confined.class_order import check_class_order
    from doldrum.confined.on_clean import labels_of
    from doldrum.data import ImageSet
    from doldrum.opening import notes_in_flags

    if sample.labels is None:
        return
    images = sample.images.get(resize, next(iter(sample.images.values())))
    try:
        check_class_order(
            labels_of(suspect.classifier, ImageSet(images)), sample.labels, suspect.classifier.num_classes,
            how=sample.how, names=sample.names,
        )  # fmt: skip
    except InputError as error:
        message(f"warning: {notes_in_flags([str(error)])[0]}")


def preprocessing_values(check: PreprocessingCheck) -> dict[str, Any]:
    """Return the results of the preprocessing check in the form that --json prints, with the best preprocessing
    first."""
    return asdict(check)


def preprocessing_table(check: PreprocessingCheck) -> Any:
    """A table with one row per candidate preprocessing, the best one first."""
    from rich.markup import escape
    from rich.table import Table

    kind = "labelled" if check.labelled else "unlabelled"
    title = f"comparison of preprocessings, on {check.images:,} {kind} clean images ({check.forwards:,} forward passes)"
    table = Table(title=title, title_justify="left")
    table.add_column("pixels that the model gets", overflow="fold")
    for name in [*(["accuracy (95%)"] if check.labelled else []), "confidence", "labels", "largest", "kept"]:
        table.add_column(name, justify="right", no_wrap=True)
    for row in check.rows:
        found = []
        if row.accuracy is not None:
            found.append(f"{row.accuracy.value:.1%} ({row.accuracy.lower:.0%}-{row.accuracy.upper:.0%})")
        found.append("-" if row.confidence is None else f"{row.confidence:.2f}")
        found += [f"{row.classes} of {check.num_classes}", f"{row.largest:.0%}", f"{row.kept:.0%}"]
        what = row.name + (" (as opened)" if row.opened else "") + (" (near tie)" if row.tied else "")
        table.add_row(escape(what), *found, style="bold" if row.better else None)
    return table


def preprocessing_lines(check: PreprocessingCheck) -> list[str]:
    """The text below the table: what its columns mean, the verdict, and the flags that select a better preprocessing if there is one.

    The flags are command-line options. If there is a better preprocessing, the text also lists each preprocessing that
    is almost as good as the best preprocessing, with the flags that select it. The flags of each preprocessing are on a
    separate line, even if the line gets long, so that they can be copied.
    """
    columns = (
        "" if check.best.confidence is None else "“confidence” is the highest probability, as a mean over the images. "
    )
    columns += "“labels” is the number of different predicted labels. “largest” is the share of images with the most frequent label. "
    columns += "“kept” is the share of labels that stay the same if the image is made brighter or turned a little."
    lines = [_wrapped(columns), "", _wrapped(check.verdict)]
    for row in check.rows if check.best.better else ():
        if row == check.best or row.tied:
            title = f"options for {row.name}{' (near tie)' if row.tied else ''}:"
            lines += [
                "",
                title,
                row.flags or "(no option sets this preprocessing: change the preprocessing in the exported model)",
            ]
    return lines


def _wrapped(text: str) -> str:
    return fill(text, min(100, get_terminal_size().columns), break_long_words=False, break_on_hyphens=False)
