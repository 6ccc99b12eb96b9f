"""The demo's table: for a terminal (rich) and in Markdown, from one list of rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from doldrum.records import DemoRecord, ModelSummary
from doldrum.report.demo.words import effect
from doldrum.report.words import percent, w

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["demo_markdown", "demo_table", "rows"]

_WORDS = {"smoother": "smoother", "less smooth": "less smooth", "same": "no difference shown"}


def change(model: ModelSummary) -> str:
    """How the trigger changes mean W: the size of the change, and its direction in words.

    The words "smoother" and "less smooth" are used only if the interval of the paired change does not contain 0.
    """
    return f"{model.w_change:+.3f}, {_WORDS[effect(model)]}"


def rows(models: Sequence[ModelSummary]) -> list[tuple[str, list[tuple[str, str]]]]:
    """The rows of the table, from top to bottom. A row is (name, [(value, interval) for each model])."""

    def span(form: Callable[[float], str], low_high: tuple[float, float]) -> str:
        return f"{form(low_high[0])} to {form(low_high[1])}"

    return [
        ("clean accuracy", [(percent(m.clean_accuracy), span(percent, m.clean_accuracy_ci)) for m in models]),
        ("attack success (ASR)", [(percent(m.asr), span(percent, m.asr_ci)) for m in models]),
        ("mean W, clean inputs", [(w(m.w_clean), span(w, m.w_clean_ci)) for m in models]),
        ("mean W, triggered", [(w(m.w_triggered), span(w, m.w_triggered_ci)) for m in models]),
        ("change by the trigger", [(change(m), span("{:+.3f}".format, m.w_change_ci)) for m in models]),
    ]


def footnote(record: DemoRecord) -> str:
    """The note below the table: at which noise strength W was measured, and on how many inputs and draws."""
    m = record.backdoored
    return (
        f"W was measured at σ½ = {record.sigma_half:.3g}, on {m.n_inputs:,} inputs with {m.draws:,} draws each. W is 0 if all labels are the same "
        "and 1 if all classes are equally frequent. Each range is a 95% interval."
    )


def demo_table(record: DemoRecord) -> Table:
    """A rich table of both models, at most 80 columns wide."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title="Smoothness with and without the trigger", caption=footnote(record), caption_justify="left")
    table.add_column("")
    for model in record.models:
        table.add_column(f"{model.name} model", justify="right")
    for what, values in rows(record.models):
        cells = [Text(value, style="bold") + Text(f"\n{limits}", style="dim") for value, limits in values]
        table.add_row(Text(what), *cells)
    return table


def demo_markdown(record: DemoRecord) -> str:
    """The table of both models in Markdown, with its footnote."""
    head = ["", *(f"{m.name} model" for m in record.models)]
    lines = [head, ["---", *("---:" for _ in record.models)]]
    lines += [[what, *(f"{v} ({limits})" for v, limits in values)] for what, values in rows(record.models)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + f"\n\n{footnote(record)}\n"
