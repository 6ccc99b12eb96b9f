"""`doldrum serve` as a process: answers, secrets, and its end."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from served import Served, png

from doldrum.detectors import Guard, load_detector
from doldrum.opening import open_model

SECRET = "a-secret-that-nobody-guesses"


@pytest.fixture(scope="module")
def detector(model, tmp_path_factory) -> Path:
    from doldrum.detectors import SmoothnessProfile, save_detector

    images = np.random.default_rng(0).integers(0, 256, (200, 1, 8, 8), dtype=np.uint8)
    classifier = open_model(model).classifier
    fitted = SmoothnessProfile(seed=0).fit(classifier, images[:100]).calibrate(images[100:], fpr=0.1)
    return save_detector(fitted, tmp_path_factory.mktemp("detector") / "guard.doldrum")


def below(pid: int) -> list[int]:
    """Processes that it started, and those that they did."""
    mine = [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    for task in Path(f"/proc/{pid}/task").iterdir():
        mine += [int(p) for p in (task / "children").read_text().split()]
    return sorted({*mine, *(p for one in mine for p in below(one))})


def test_it_answers_keeps_its_secret_and_on_sigterm_answers_what_it_took(model, detector, tmp_path) -> None:
    log = tmp_path / "log"
    command = [sys.executable, "-c", "import sys; from doldrum.cli import main; sys.argv[0] = 'doldrum'; main()"]
    words = ["serve", str(model), "--detector", str(detector), "--port", "0", "--wait", "0.5", "--host", "0.0.0.0"]
    with log.open("wb") as heard:
        process = subprocess.Popen(
            [*command, *words], stdout=heard, stderr=heard, env={**os.environ, "DOLDRUM_TOKEN": SECRET}
        )
    try:
        port = listening(process, log)
        served = Served(None, None, None, port)  # type: ignore[arg-type]
        who = {"Authorization": f"Bearer {SECRET}"}
        images = np.random.default_rng(1).integers(0, 256, (12, 1, 8, 8), dtype=np.uint8)
        files = [(str(i), png(image[0])) for i, image in enumerate(images)]
        answer = served.classify(files, who)
        assert served.classify(files).status == 401
        started = below(process.pid)
        assert len(started) >= 2  # the model's process and the decoder's
        for pid in (process.pid, *started):
            assert SECRET.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
        for pid in started:
            assert SECRET.encode() not in Path(f"/proc/{pid}/environ").read_bytes()

        last: list = []
        asking = threading.Thread(target=lambda: last.append(served.classify(files[:1], who)))
        asking.start()
        time.sleep(0.2)  # it waits half a second for company
        process.send_signal(signal.SIGTERM)
        asking.join(20)
        assert process.wait(20) == 0
        assert last[0].status == 200
    finally:
        process.kill()
        process.wait()
    assert [pid for pid in started if Path(f"/proc/{pid}").exists()] == []
    assert SECRET not in log.read_text()
    assert log.read_text().splitlines()[-1] == "stopped; every image that was accepted has an answer"

    guard = Guard(open_model(model).classifier, load_detector(detector))
    wanted = guard(images).result
    assert answer.status == 200
    found = answer.body["results"]
    assert [v["label"] for v in found] == wanted.labels.tolist()
    assert [v["p_value"] for v in found] == wanted.p_values.tolist()
    assert [v["flag"] for v in found] == wanted.flags.tolist()
    assert answer.body["flagged"] == wanted.num_flagged


def listening(process: subprocess.Popen, log: Path) -> int:
    for _ in range(600):
        said = re.search(r"answering on http://0.0.0.0:(\d+) for those who have the token", log.read_text())
        if said is not None:
            return int(said[1])
        assert process.poll() is None, log.read_text()
        time.sleep(0.1)
    raise AssertionError(log.read_text())


def test_what_does_not_fit_is_one_line_with_flags_before_the_model_is_opened(
    call, model, detector, monkeypatch
) -> None:
    monkeypatch.delenv("DOLDRUM_TOKEN", raising=False)
    monkeypatch.setattr("doldrum.cli.as_opened.load_model", lambda settings: pytest.fail("opened"))
    code, _, said = call("serve", model, "--detector", detector, "--host", "0.0.0.0")
    assert (code, said.count("\n")) == (2, 1)
    assert "DOLDRUM_TOKEN" in said
    assert said.endswith("or pass --without-token\n")
    code, _, said = call("serve", model, "--detector", detector, "--queue", "3")
    assert (code, "at least 64 as --queue" in said, "--max-images" in said) == (2, True, True)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, _, said = call("serve", model, "--detector", detector, "--port", taken.getsockname()[1])
    assert (code, "expected --host and --port that are free here" in said) == (2, True)


def test_an_option_of_the_model_other_than_at_calibration_is_refused(call, model, tmp_path) -> None:
    np.savez(tmp_path / "clean.npz", images=np.random.default_rng(0).integers(0, 256, (200, 1, 8, 8), dtype=np.uint8))
    code, _, said = call(
        "calibrate", model, tmp_path / "clean.npz", "--fpr", "0.1", "--scale", "255", "--out", tmp_path / "d"
    )
    assert code == 0, said
    code, _, said = call("serve", model, "--detector", tmp_path / "d", "--scale", "1")
    assert (code, "expected --scale 255, as in the calibration of " in said) == (2, True)
