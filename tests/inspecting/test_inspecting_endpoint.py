"""An inspection of a model at an address, over HTTP on this machine: its queries are counted beforehand, and what it answers is a clear line."""

from __future__ import annotations

import numpy as np
import pytest
from labels_server import labels_server
from onnx_toys import SIDE, TARGET, clean_file, here, settings

from doldrum.confined import sending
from doldrum.errors import ClassifierError, EndpointError, InputError
from doldrum.inspecting import run_inspection

CLASSES = 4


@pytest.fixture(autouse=True)
def _near(monkeypatch):
    monkeypatch.setattr(sending, "run_confined", here)


def answer(images):
    """The brightest of four stripes; with a bright corner, the target."""
    means = [stripe.mean(axis=(1, 2, 3)) for stripe in np.array_split(images, CLASSES, axis=3)]
    return np.where(images[:, 0, -1, -1] > 0.9, TARGET, np.argmax(means, axis=0))


@pytest.fixture
def server():
    with labels_server(answer) as made:
        yield made


@pytest.fixture
def asked(server, tmp_path):
    clean = clean_file(tmp_path / "clean.npy", classes=CLASSES)

    def made(**more):
        known = {
            "size": (SIDE, SIDE), "channels": "grey", "num_classes": CLASSES, "endpoint_body": "npy", "endpoint_batch": 512,
            "endpoint_retries": 0, "inspectors": ("mask", "label-only"),
        }  # fmt: skip
        return settings(server.address, clean, tmp_path / "out", **(known | more))

    return made


NEEDED = 30 + 5000 + 60 + 3 * 30 + 8
"""The search images, label-only, all clean images, and the test of what was found with its pictures."""
OPENED = 2
"""Images that are sent when the model is opened, to see that it answers."""


def test_what_is_needed_is_known_before_anything_is_searched_and_is_enough(asked, server, tmp_path):
    with pytest.raises(
        InputError, match=f"at least {NEEDED:,} queries, .*, got {NEEDED - 1:,} queries left; raise this limit"
    ):
        run_inspection(asked(endpoint_queries=OPENED + NEEDED - 1))
    assert server.images == OPENED
    server.images = 0
    record = run_inspection(asked(endpoint_queries=OPENED + NEEDED))
    assert 1000 < server.images <= OPENED + NEEDED
    assert record.finding["inspector"] == "label-only"
    assert record.finding["target"] == TARGET
    assert f"{server.images:,} images were sent to the endpoint" in " ".join(record.verdict["sentences"])
    assert "mask needs gradients" in record.verdict["not_looked"][0]


def test_one_that_stops_answering_is_gone_on_with(asked, server, tmp_path):
    server.left = 3
    with pytest.raises(EndpointError, match=r"within 1 try, got 503 from 127\.0\.0\.1; try later"):
        run_inspection(asked())
    server.left = 1000
    assert run_inspection(asked()).finding["target"] == TARGET


def test_one_that_answers_a_web_page_is_a_line_with_advice(asked, server, tmp_path):
    server.page = b"<!doctype html><title>Sign in</title>"
    with pytest.raises(
        ClassifierError, match=r"got a web page .* from the host 127\.0\.0\.1; check the address, outputs= and"
    ):
        run_inspection(asked())
    assert not (tmp_path / "out" / "inspection.json").exists()
