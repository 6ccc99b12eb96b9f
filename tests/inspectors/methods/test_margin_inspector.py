"""The largest margin in the box, against a linear program's."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from inspector_specimens import linear, noise, subject_for
from scipy.optimize import linprog

from doldrum.inspectors.contract.route import Route
from doldrum.inspectors.methods.margin import MaximumMargin, largest_margins


def by_program(weight: np.ndarray, bias: np.ndarray, k: int) -> float:
    """max over the box of the margin of class k: max t with (w_k - w_c) x + b_k - b_c >= t for each other c."""
    rest = [c for c in range(len(weight)) if c != k]
    rows = np.stack([np.append(weight[c] - weight[k], 1.0) for c in rest])
    box = [(0, 1)] * weight.shape[1] + [(None, None)]
    aim = np.append(np.zeros(weight.shape[1]), -1.0)
    return -linprog(aim, A_ub=rows, b_ub=[bias[k] - bias[c] for c in rest], bounds=box).fun


def test_the_margin_of_a_linear_model_is_the_programs() -> None:
    module = linear()
    weight, bias = (p.detach().numpy().astype(float) for p in (module.head.weight, module.head.bias))
    found = largest_margins(module, (1, 6, 6), 4, starts=8, seed=0, steps=200).numpy()
    best = np.array([by_program(weight, bias, k) for k in range(4)])
    assert (found <= best + 1e-4).all()
    assert found == pytest.approx(best, rel=0.03)


def test_a_class_that_can_be_won_by_more_reads_higher() -> None:
    module = linear()
    before = MaximumMargin().read(subject_for(module, noise(24)))
    with torch.no_grad():
        module.head.weight[2] *= 4
    after = MaximumMargin().read(subject_for(module, noise(24)))
    rises = [after.values[Route(None, k)] - before.values[Route(None, k)] for k in range(4)]
    assert int(np.argmax(rises)) == 2
    assert rises[2] > 0.5


def test_the_images_change_nothing_and_neither_does_a_second_run() -> None:
    module = linear()
    one, two = (MaximumMargin().read(subject_for(module, noise(24, seed=s))).values for s in (1, 2))
    assert one == two


def test_a_model_without_gradients_is_refused_and_nan_scores_are_told() -> None:
    subject = subject_for(linear(), noise(24))
    assert (
        "gradients"
        in MaximumMargin().read(subject.__class__(subject.classifier, subject.search, subject.labels, 0)).refused
    )
    broken = linear()
    good = subject_for(linear(), noise(24))
    with torch.no_grad():
        broken.head.bias[0] = torch.nan
    values = MaximumMargin().read(good.__class__(good.classifier, good.search, good.labels, 0, module=broken)).values
    assert all(math.isnan(v) for v in values.values())
