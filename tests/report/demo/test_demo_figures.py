"""The demo's figures draw what the record says."""

from __future__ import annotations

import numpy as np
import pytest

from doldrum.records import COMBINATIONS
from doldrum.report.demo.figures import plot_curves, plot_distribution, plot_examples
from doldrum.report.figures import COLOURS, new_figure


def by_gid(ax, gid):
    (line,) = [line for line in ax.get_lines() if line.get_gid() == gid]
    return line


def test_curves_are_the_records(demo_record):
    ax = new_figure().subplots()
    assert plot_curves(demo_record.curves, ax, sigma_half=demo_record.sigma_half) is ax
    for curve, band in zip(demo_record.curves, ax.collections, strict=True):
        line = by_gid(ax, f"curve-{curve.model}-{curve.inputs}")
        np.testing.assert_array_equal(line.get_xdata(), curve.strengths)
        np.testing.assert_array_equal(line.get_ydata(), curve.mean)
        assert line.get_color() == COLOURS[curve.model]
        assert (line.get_linestyle() == "-") == (curve.inputs == "clean")
        corners = {tuple(v) for v in band.get_paths()[0].vertices}
        assert {
            *zip(curve.strengths, curve.lower, strict=True),
            *zip(curve.strengths, curve.upper, strict=True),
        } <= corners
    assert by_gid(ax, "sigma-half").get_xdata() == [demo_record.sigma_half] * 2
    assert ax.get_xscale() == "log"
    assert len(ax.get_legend().get_texts()) == 4


def test_the_distribution_is_the_share_at_most_x(demo_record):
    ax = new_figure().subplots()
    plot_distribution(demo_record.w_at_half, ax)
    for model, inputs in COMBINATIONS:
        values = np.asarray(demo_record.w_at_half[f"{model}/{inputs}"])
        line = by_gid(ax, f"distribution-{model}-{inputs}")
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True):
            assert y == pytest.approx((values <= x).mean())
        assert by_gid(ax, f"zeros-{model}-{inputs}").get_ydata()[1] == pytest.approx((values == 0).mean())


@pytest.mark.parametrize("values", [(0.0,), (0.0, 0.0), (1.0,), (0.3, 0.3), (0.0, 1.0)])
def test_odd_distributions_draw(values):
    figure = new_figure(4, 4)
    ax = plot_distribution({"clean/clean": values}, figure.subplots())
    figure.canvas.draw()
    assert by_gid(ax, "zeros-clean-clean").get_ydata()[1] == sum(v == 0 for v in values) / len(values)


def test_a_single_strength_draws(make):
    from dataclasses import replace

    full = make.curve("clean", "clean")
    one = replace(full, strengths=(0.1,), mean=(0.2,), lower=(0.1,), upper=(0.3,))
    figure = new_figure()
    plot_curves([one], figure.subplots())
    figure.canvas.draw()


def test_examples_show_every_picture_and_label(demo_record):
    figure = new_figure(8, 5)
    plot_examples(demo_record.examples, figure, class_names=("$a_b$", *demo_record.class_names[1:]))
    figure.canvas.draw()
    shown = [(ax.images[0].get_array(), ax.texts[0].get_text()) for ax in figure.axes]
    assert len(shown) == 4 * 8
    example = demo_record.examples[0]
    np.testing.assert_array_equal(shown[0][0], example.image.array()[0])
    np.testing.assert_array_equal(shown[3][0], example.noisy.array()[2, 0])
    assert [text for _, text in shown[:5]] == ["Shirt", "Shirt", "Shirt", "Pullover", "Shirt"]
    assert shown[-1][1] == "$a_b$"


def test_colour_examples_draw(make):
    figure = new_figure()
    plot_examples([make.example("clean", "clean", np.full((3, 5, 4), 0.5))], figure)
    assert figure.axes[0].images[0].get_array().shape == (5, 4, 3)
