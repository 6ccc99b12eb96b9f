"""Images are decoded in a confined process, which may be lost at one of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from served import png

from doldrum.intake import decode_image, fit_image
from doldrum.sandbox import Service
from doldrum.serving import decoder
from doldrum.serving.decoder import Decoder


@pytest.fixture
def colour() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (30, 20, 3), dtype=np.uint8)


@pytest.mark.parametrize("resize", ["stretch", "crop"])
def test_pixels_are_those_of_a_scan(colour, resize) -> None:
    read = Decoder((3, 8, 8), resize=resize, pixels=1000)
    data = png(colour)
    wanted = fit_image(decode_image(data), channels=3, size=(8, 8), resize=resize)
    found = read(data)
    assert isinstance(found, np.ndarray)
    assert np.array_equal(found, wanted)
    large = read(png(np.zeros((40, 26), np.uint8)))
    assert large == "expected at most 1000 pixels, got 26 x 40; make the image smaller"
    read.close()


def test_a_process_that_died_is_started_again(colour) -> None:
    read = Decoder((3, 8, 8), pixels=1000)
    read._service._process.kill()
    assert isinstance(read(png(colour)), np.ndarray)  # it had not died of this image
    read.close()


def test_an_image_at_which_the_process_dies_twice_is_refused_and_the_next_is_read(colour, monkeypatch) -> None:
    read = Decoder((3, 8, 8), pixels=1000)
    ask = Service.ask

    def deadly(service: Service, requests: Any, heard: Any) -> Any:
        service._process.kill()
        return ask(service, requests, heard)

    with monkeypatch.context() as patched:
        patched.setattr(Service, "ask", deadly)
        assert "got one that can't (died)" in str(read(png(colour)))
    assert isinstance(read(png(colour)), np.ndarray)
    read.close()


def test_an_image_that_takes_too_much_memory_is_refused_and_the_next_is_read(colour, monkeypatch) -> None:
    monkeypatch.setattr(decoder, "_MEMORY", 150 << 20)
    read = Decoder((3, 8, 8), pixels=1 << 28)
    heavy = read(png(np.zeros((9000, 9000), np.uint8)))  # 81 MB of grey, 243 of colour, in 100 KB
    assert isinstance(heavy, str)
    assert "memory" in heavy
    assert isinstance(read(png(colour)), np.ndarray)
    read.close()


@pytest.mark.parametrize(("why", "data"), [(7, b""), (None, b"x"), ({}, bytes(192)), ("\x1b[2J", b"")])
def test_what_a_process_that_was_taken_over_says_is_held_against_what_it_may_say(why, data) -> None:
    read = Decoder((3, 8, 8), pixels=1000)
    said = read._checked(why, data)
    assert said == (
        "\\x1b[2J"
        if isinstance(why, str)
        else "expected an image, got invalid data from its decoder; leave out this image"
    )
    read.close()
