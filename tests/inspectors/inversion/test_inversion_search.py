"""search finds a short cut that is there, says how well what it found works, and goes on with the promising routes alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.inspectors.toy_models import CORNER, TARGET, Linear, clean_images

from doldrum.classifiers.base import labels_of
from doldrum.inspectors.contract.route import Route, all_routes
from doldrum.inspectors.inversion.effort import FULL, THRIFTY, Effort, effort_for
from doldrum.inspectors.inversion.inspector import MaskInversion
from doldrum.inspectors.inversion.mask import Mask
from doldrum.inspectors.inversion.search import Found, search
from doldrum.networks import build

IMAGES = clean_images()


def run(model: Linear, effort: Effort = FULL, routes: tuple[Route, ...] = all_routes(3)) -> dict[Route, Found]:
    labels = labels_of(model(torch.from_numpy(IMAGES)).detach().numpy())
    return {one.route: one for one in search(model, IMAGES, labels, Mask(), routes, seed=0, effort=effort)}


def test_the_short_cut_is_found_and_is_the_smallest() -> None:
    found = run(Linear(0, backdoor=True))
    best = min((r for r in found if r.source is None and r.target is not None), key=lambda r: found[r].size)
    assert best == Route(None, TARGET)
    mask = torch.sigmoid(found[best].parts[0])[0, 0].numpy()
    assert np.unravel_index(mask.argmax(), mask.shape) == CORNER
    assert found[best].success >= 0.9
    assert found[best].size < 0.5 * found[Route(None, 0)].size


def test_a_clean_model_has_no_short_cut() -> None:
    found = run(Linear(0))
    sizes = [found[Route(None, k)].size for k in range(3)]
    assert max(sizes) < 2 * min(sizes)


def test_the_same_search_gives_the_same_trigger() -> None:
    one, two = run(Linear(1, backdoor=True)), run(Linear(1, backdoor=True))
    assert all(torch.equal(a, b) for r in one for a, b in zip(one[r].parts, two[r].parts, strict=True))


def test_the_routes_that_go_on_are_those_with_the_short_cut() -> None:
    routes = tuple(Route(None, k) for k in range(3))
    found = run(Linear(0, backdoor=True), Effort(steps=100, together=1, screening=20), routes)
    assert list(found) == [Route(None, TARGET)]
    assert found[Route(None, TARGET)].success >= 0.9


def test_a_route_without_images_is_left_out() -> None:
    model = Linear(0)
    labels = np.zeros(len(IMAGES), dtype=np.int16)  # all of class 0: nothing to move from 1 or 2, or to 0
    found = search(model, IMAGES, labels, Mask(), all_routes(3), seed=0, effort=Effort(steps=2))
    assert Route(1, None) not in [f.route for f in found]
    assert Route(None, 0) not in [f.route for f in found]
    assert search(model, IMAGES, labels - 1, Mask(), all_routes(3), seed=0, effort=Effort(steps=2)) == []


def test_progress_adds_up_to_one() -> None:
    told: list[float] = []
    labels = labels_of(Linear(0)(torch.from_numpy(IMAGES)).detach().numpy())
    for effort in (Effort(steps=3), Effort(steps=3, together=2, screening=2)):
        told.clear()
        search(Linear(0), IMAGES, labels, Mask(), all_routes(3), seed=0, effort=effort, advance=told.append)
        assert sum(told) == pytest.approx(1)


def test_large_models_are_searched_with_less_effort() -> None:
    assert effort_for(build("fashion-cnn", input_shape=(1, 28, 28), num_classes=10).eval(), (1, 28, 28)) == FULL
    assert effort_for(build("preact-resnet18", input_shape=(3, 32, 32), num_classes=10).eval(), (3, 32, 32)) == THRIFTY


def test_triggers_that_move_too_few_images_count_as_larger(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.inspectors.toy_models import subject, toy

    from doldrum.inspectors.inversion import inspector

    parts = Mask().start(1, (1, 6, 6), torch.Generator().manual_seed(0))
    found = [Found(Route(None, 0), 2.0, 0.95, parts), Found(Route(None, 1), 2.0, 0.75, parts)]
    monkeypatch.setattr(inspector, "search", lambda *args, **more: found)
    values = MaskInversion().read(subject(toy(0))).values
    assert values[Route(None, 0)] == pytest.approx(-np.log(2))
    assert values[Route(None, 1)] == pytest.approx(-np.log(2) - 5 * 0.2)
    assert np.isnan(values[Route(None, 2)])
