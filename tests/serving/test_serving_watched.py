"""The watch of a service: it sees what was judged, says so, and goes on after a restart."""

from __future__ import annotations

import errno
import json

import numpy as np
import pytest
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
    noise = rng.integers(0, 256, (12, 64, 1, 8, 8), dtype=np.uint8)
    with serving(fresh, watch=kept) as one:
        assert one.classify(clean).status == 200
        assert one.ask("GET", "/v1/watch").body["kind"] == "as calibrated"
        assert one.metric("doldrum_watch", verdict="as calibrated") == 1
    begun = json.loads(kept.read_text())
    assert begun["images"] == 40
    again = Guard(fresh.detector.classifier, fresh.detector)
    with serving(again, watch=kept) as one:
        for some in noise:
            one.classify([(f"{i}.png", png(image[0])) for i, image in enumerate(some)])
        told = one.ask("GET", "/v1/watch").body
        assert (told["images"], told["kind"] in ("drift", "attack", "open")) == (40 + 12 * 64, True)
        assert told["words"] in caplog.text
        assert one.metric("doldrum_watch", verdict=told["kind"]) == 1
        assert one.metric("doldrum_watch", verdict="as calibrated") == 0
    # What it says is what one watch says of all the answers, in their order.
    alone = Watch(fresh.detector.calibration)
    alone.update(fresh(digits[160:200]).result)
    for some in noise:
        alone.update(fresh(some).result)
    assert json.loads(kept.read_text())["images"] == alone.verdict.images
    assert alone.verdict.kind == told["kind"]


def test_a_file_of_something_else_is_refused_before_anything_is_served(fresh, tmp_path) -> None:
    kept = tmp_path / "watch.json"
    state = fresh.watch.state()
    deep, large = "[" * 200_000, json.dumps({**state, "drift": {**state["drift"], "count": 10**400}})
    for text in (
        "{}",
        "no JSON",
        "[1]",
        "",
        deep,
        large,
        "9" * 5000,
        "\0",
        json.dumps({**fresh.watch.state(), "calibration": "another"}),
    ):
        kept.write_text(text)
        with (
            pytest.raises(InputError, match=r"expected the file of this detector's watch as watch="),
            serving(fresh, watch=kept),
        ):
            pass


def test_an_image_that_is_asked_again_and_again_is_no_drift(fresh, digits) -> None:
    probe = [("probe.png", png(digits[160, 0]))]
    with serving(fresh) as one:
        for _ in range(80):
            assert one.classify(probe).status == 200
        told = one.ask("GET", "/v1/watch").body
    assert (told["kind"], told["images"]) == ("as calibrated", 1)


def test_a_fault_of_the_watch_costs_no_answer_and_is_said_once(fresh, digits, tmp_path, caplog, monkeypatch) -> None:
    kept = tmp_path / "watch.json"
    files = [(f"{i}.png", png(digits[i, 0])) for i in range(160, 190)]
    with serving(fresh, watch=kept) as one:
        assert one.classify(files[:10]).status == 200
        monkeypatch.setattr(Watch, "_bet", lambda self: [][0])
        for start in (10, 20):
            answer = one.classify(files[start : start + 10])
            assert [verdict["error"] for verdict in answer.body["results"]] == [None] * 10
        assert one.ask("GET", "/v1/watch").body["images"] == 10
    assert caplog.text.count("the watch failed") == 1
    assert not kept.exists()


def test_a_file_that_another_service_writes_is_refused(fresh, digits, tmp_path) -> None:
    kept = tmp_path / "watch.json"
    with serving(fresh, watch=kept) as one:
        one.service.watched._write()  # by renaming: a lock on the file itself would be gone
        with (
            pytest.raises(
                InputError,
                match=r"expected watch= to be a file that no other service writes, got .*, which another service writes",
            ),
            serving(Guard(fresh.detector.classifier, fresh.detector), watch=kept),
        ):
            pass
    with serving(fresh, watch=kept):  # it has ended
        pass


def test_a_full_disk_is_said_and_answers_go_on(fresh, digits, tmp_path, caplog, monkeypatch) -> None:
    def full(*args: object) -> None:
        raise OSError(
            errno.ENOSPC,
            "expected space on the disk, got a full disk; free some space and run the same command again",
            "w",
        )

    monkeypatch.setattr("doldrum.serving.watched.write_text_whole", full)
    with serving(fresh, watch=tmp_path / "watch.json") as one:
        assert one.classify([("a.png", png(digits[160, 0]))]).status == 200
    assert "watch.json (No space left on device); images are still answered" in caplog.text
    assert "the same again" not in caplog.text
