"""The watch of a service: it sees what was judged, says so, and goes on after a restart."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image
from served import png, serving

from doldrum.detectors import Guard
from doldrum.detectors.deploy.watch import Watch
from doldrum.errors import InputError


@pytest.fixture
def fresh(guard) -> Guard:
    """The same model and detector, with a watch of its own."""
    return Guard(guard.detector.classifier, guard.detector)


def test_it_says_so_where_the_images_are_of_another_kind_and_goes_on_after_a_restart(
    fresh, digits, tmp_path, caplog
) -> None:
    kept = tmp_path / "watch.json"
    clean = [(f"{i}.png", png(digits[i, 0])) for i in range(160, 200)]
    rng = np.random.default_rng(0)
    others = [(f"{i}.png", png(rng.integers(0, 256, (8, 8), dtype=np.uint8))) for i in range(64)]
    with serving(fresh, watch=kept) as one:
        assert one.classify(clean).status == 200
        assert one.ask("GET", "/v1/watch").body["kind"] == "as calibrated"
        assert one.metric("doldrum_watch", verdict="as calibrated") == 1
    begun = json.loads(kept.read_text())
    assert begun["images"] == 40
    again = Guard(fresh.detector.classifier, fresh.detector)
    with serving(again, watch=kept) as one:
        for _ in range(12):
            one.classify(others)
        told = one.ask("GET", "/v1/watch").body
        assert (told["images"], told["kind"] in ("drift", "attack", "open")) == (40 + 12 * 64, True)
        assert told["words"] in caplog.text
        assert one.metric("doldrum_watch", verdict=told["kind"]) == 1
        assert one.metric("doldrum_watch", verdict="as calibrated") == 0
    # What it says is what one watch says of all the answers, in their order.
    alone = Watch(fresh.detector.calibration)
    alone.update(fresh(digits[160:200]).result)
    noise = np.stack([np.asarray(Image.open(io.BytesIO(data))) for _, data in others])[:, None]
    for _ in range(12):
        alone.update(fresh(noise).result)
    assert json.loads(kept.read_text())["images"] == alone.verdict.images
    assert alone.verdict.kind == told["kind"]


def test_a_file_of_something_else_is_refused_before_anything_is_served(fresh, tmp_path) -> None:
    kept = tmp_path / "watch.json"
    for text in ("{}", "no JSON", "[1]", json.dumps({**fresh.watch.state(), "calibration": "another"})):
        kept.write_text(text)
        with (
            pytest.raises(InputError, match=r"expected the file of this detector's watch as watch="),
            serving(fresh, watch=kept),
        ):
            pass
