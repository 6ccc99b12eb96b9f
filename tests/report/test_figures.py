"""Saved figures, and what drawing one brings in."""

from __future__ import annotations

import sys

import pytest

from doldrum.report.demo.figures import plot_curves
from doldrum.report.figures import new_figure, save_figure


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_saved_figures_are_transparent_and_repeatable(demo_record, tmp_path, ending):
    def save(name):
        figure = new_figure(4, 3)
        plot_curves(demo_record.curves, figure.subplots())
        return save_figure(figure, tmp_path / "deep" / f"{name}.{ending}", dpi=50).read_bytes()

    first = save("a")
    assert first == save("b")
    if ending == "png":
        from PIL import Image

        assert Image.open(tmp_path / "deep" / "a.png").convert("RGBA").getpixel((0, 0))[3] == 0  # type: ignore[index]


def test_pyplot_stays_out():
    import subprocess

    code = (
        "import sys, doldrum.report, doldrum.report.demo.page, doldrum.report.demo.table; assert not {'matplotlib', 'jinja2', 'rich', 'torch'} & set(sys.modules); "
        "doldrum.report.new_figure(); assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
