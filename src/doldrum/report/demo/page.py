"""The page of the demo: one self-contained HTML file, which needs no network and has no script."""

from __future__ import annotations

import base64
import io
from typing import Any

from doldrum.records import COMBINATIONS, MODELS, DemoRecord, Example, Pixels
from doldrum.report.demo import table, words
from doldrum.report.demo.figures import label_of, name_of, plot_curves, plot_distribution
from doldrum.report.figures import inline_svg, new_figure
from doldrum.report.shell import page_environment
from doldrum.report.words import percent, plain_value, w

__all__ = ["engine_lines", "png_uri", "render_demo"]

_WIDE, _NARROW = (7.4, 4.1), (4.0, 4.4)  # inches: one drawing for screens and paper, one for phones


def render_demo(record: DemoRecord) -> str:
    """The report of a demo as one HTML document.

    Styles, figures and images are inline. The page's content security policy forbids scripts and requests. Text from
    the record (class names, command, versions) is escaped.
    """
    environment = page_environment("doldrum.report.demo")
    environment.filters |= {"w": w, "percent": percent, "plain": plain_value}
    return environment.get_template("demo.html.j2").render(
        record=record,
        words=words,
        rows=table.rows(record.models),
        footnote=table.footnote(record),
        curves=_curve_figures(record),
        curve_rows=_curve_rows(record),
        distribution=_distribution_figures(record),
        zeros=[(label_of(m, i), words.zero_share(record.w_at_half[f"{m}/{i}"])) for m, i in COMBINATIONS],
        examples=[_example(e, record) for e in record.examples],
        models=MODELS,
        combinations=COMBINATIONS,
        engines=engine_lines(record.provenance.get("engine")),
    )


def png_uri(pixels: Pixels | Any) -> str:
    """An image (C, H, W) of uint8 as a PNG data URI.

    >>> png_uri(Pixels.of([[[0.0, 1.0]]])).startswith("data:image/png;base64,iVBOR")
    True
    """
    from PIL import Image

    array = pixels.array() if isinstance(pixels, Pixels) else pixels
    picture = Image.fromarray(array[0] if len(array) == 1 else array.transpose(1, 2, 0))
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _curve_figures(record: DemoRecord) -> Any:
    drawings = []
    for size in (_WIDE, _NARROW):
        figure = new_figure(*size)
        plot_curves(record.curves, figure.subplots(), sigma_half=record.sigma_half)
        drawings.append(figure)
    return inline_svg(drawings, name="curves", alt=words.curves_alt(record))


def _distribution_figures(record: DemoRecord) -> Any:
    drawings = []
    for size in (_WIDE, _NARROW):
        figure = new_figure(*size)
        plot_distribution(record.w_at_half, figure.subplots())
        drawings.append(figure)
    return inline_svg(drawings, name="distribution", alt=words.distribution_alt(record))


def _curve_rows(record: DemoRecord) -> list[tuple[float, list[tuple[float, float, float] | None]]]:
    tables = [
        {s: (m, low, high) for s, m, low, high in zip(c.strengths, c.mean, c.lower, c.upper, strict=True)}
        for model, inputs in COMBINATIONS
        for c in record.curves
        if c.key == f"{model}/{inputs}"
    ]
    return [(s, [t.get(s) for t in tables]) for s in sorted(set().union(*tables))]


def _example(example: Example, record: DemoRecord) -> dict[str, Any]:
    name = lambda label: name_of(label, record.class_names)  # noqa: E731
    copies = zip(example.noisy.array(), example.labels, strict=True)
    return {
        "title": label_of(example.model, example.inputs),
        "model": example.model,
        "true": name(example.true_class),
        "sigma": example.sigma,
        "w": example.w,
        "image": png_uri(example.image),
        "base": name(example.base_label),
        "copies": [(png_uri(picture), name(label), label != example.base_label) for picture, label in copies],
    }


def engine_lines(found: Any) -> list[str]:
    """One line of text about each engine in the record. If the mapping `found` holds other mappings, engines are
    searched in them too."""
    if not isinstance(found, dict):
        return [str(found)] if found else []
    if isinstance(found.get("agreement"), int | float):
        name, precision = found.get("engine", found.get("name", "engine")), found.get("precision", "")
        checked = f" of {found['checked']:,} labels checked" if isinstance(found.get("checked"), int) else " of labels"
        agreement = percent(float(found["agreement"]))
        return [
            f"{name} {precision}".strip() + f": gives the same label as the network in fp32 for {agreement}{checked}"
        ]
    inner = {key: engine_lines(value) for key, value in found.items()}
    if not any(isinstance(value, dict) for value in found.values()):
        return [plain_value(found)]
    same = {tuple(lines) for lines in inner.values()}
    if len(same) == 1:
        return list(same.pop())
    return [f"{key}: {line}" for key, lines in inner.items() for line in lines]
