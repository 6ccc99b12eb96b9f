"""Routes: which images start on one, and which went along it."""

from __future__ import annotations

import numpy as np
import pytest

from doldrum.errors import InputError
from doldrum.inspectors.contract.route import ANYWHERE, Route, all_routes

LABELS = np.array([0, 1, 2, -1, 2])
AFTER = np.array([1, 1, 1, 1, -1])


@pytest.mark.parametrize(
    ("route", "starts", "moved"),
    [
        (Route(None, 1), [1, 0, 1, 0, 1], [1, 1, 1, 1, 0]),
        (Route(2, None), [0, 0, 1, 0, 1], [1, 0, 1, 1, 0]),
        (ANYWHERE, [1, 1, 1, 0, 1], [1, 0, 1, 1, 0]),
        (Route(2, 1), [0, 0, 1, 0, 1], [1, 1, 1, 1, 0]),
    ],
)
def test_who_starts_and_who_moved(route: Route, starts: list[int], moved: list[int]) -> None:
    """An image without a valid answer starts nowhere, and an answer that is none is no move."""
    assert route.starts(LABELS).tolist() == [bool(s) for s in starts]
    assert route.moved(LABELS, AFTER).tolist() == [bool(m) for m in moved]


def test_a_route_leads_elsewhere() -> None:
    with pytest.raises(InputError, match="route from one class to another"):
        Route(3, 3)


def test_every_class_has_two_routes() -> None:
    routes = all_routes(4)
    assert len(set(routes)) == 9
    assert {r.target for r in routes} == {None, 0, 1, 2, 3} == {r.source for r in routes}
