"""Bounds and who may ask, said before any work."""

from __future__ import annotations

import pytest

from doldrum.errors import InputError
from doldrum.serving.settings import ServeSettings

SECRET = "0123456789abcdef"


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"port": 70_000}, "port="),
        ({"batch": 0}, "batch="),
        ({"queue": 63}, "at least 64 as queue="),
        ({"max_pixels": 0}, "max_pixels="),
        ({"receive_seconds": 0}, "receive_seconds="),
        ({"answer_seconds": float("nan")}, "answer_seconds="),
        ({"wait": 30.0}, "wait="),
        ({"host": "0.0.0.0"}, "DOLDRUM_TOKEN to listen on 0.0.0.0, got none"),
        ({"host": "192.0.2.1"}, "without_token=True"),
        ({"secret": SECRET[:-1]}, "at least 16"),
        ({"secret": ""}, "at least 16"),
        ({"secret": SECRET + " "}, "without spaces"),
        ({"secret": SECRET + "é"}, "ASCII"),
        ({"secret": SECRET, "without_token": True}, "leave out the secret or without_token="),
    ],
)
def test_what_does_not_fit_is_said(settings, why) -> None:
    with pytest.raises(InputError, match=r"expected .*, got .*; ") as said:
        ServeSettings(**settings)
    assert why in str(said.value)
    assert SECRET[:-1] not in str(said.value)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"host": "localhost"},
        {"host": "::1"},
        {"host": "0.0.0.0", "secret": SECRET},
        {"host": "0.0.0.0", "without_token": True},
    ],
)
def test_what_fits_is_taken_and_the_secret_is_not_shown(settings) -> None:
    assert SECRET not in repr(ServeSettings(**settings))
