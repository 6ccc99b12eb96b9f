"""Figures, tables and the HTML page: they read records, and never torch."""

from __future__ import annotations

from doldrum.report.figures import new_figure, plot_curves, plot_distribution, plot_examples, save_figure
from doldrum.report.page import render_demo
from doldrum.report.table import demo_markdown, demo_table

__all__ = [
    "demo_markdown",
    "demo_table",
    "new_figure",
    "plot_curves",
    "plot_distribution",
    "plot_examples",
    "render_demo",
    "save_figure",
]
