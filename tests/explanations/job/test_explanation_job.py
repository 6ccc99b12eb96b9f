"""doldrum explain, end to end: a stranger's model and images, in a confined process; cut off, it goes on; what comes back is checked."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from audit_material import make
from PIL import Image

from doldrum.confined import sending
from doldrum.confined.folder import holds_work
from doldrum.errors import EndpointError, InputError, SandboxError
from doldrum.explanations.job import ExplanationSettings, run_explanation
from doldrum.explanations.job.work import work
from doldrum.records.explanations import ExplanationRecord
from doldrum.report.explanations.page import write_explanations_page
from doldrum.training import load_checkpoint


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    return make(tmp_path_factory.mktemp("victim"))


@pytest.fixture
def asked(material, tmp_path):
    """Settings as a function of more settings: three triggered images, two as files, and 800 clean ones."""
    bad = material.triggered(slice(900, 912))[:3]
    np.save(tmp_path / "bad.npy", bad[:1])
    for i in (1, 2):
        Image.fromarray(bad[i, 0]).save(tmp_path / f"{i}<b>.png")
    np.save(tmp_path / "clean.npy", material.images[:800])
    paths = (tmp_path / "bad.npy", tmp_path / "1<b>.png", tmp_path / "2<b>.png")

    def settings(**more):
        return ExplanationSettings(
            **{"model": str(material.model), "images": paths, "clean": tmp_path / "clean.npy", "out": str(tmp_path / "out"), "seed": 1}
            | more
        )  # fmt: skip

    return settings


def here(function, argument, *, limits=None, on_message=lambda message: None):
    """run_confined without the confinement."""
    assert function == "doldrum.explanations.job.work:work"
    tell = lambda message: on_message(json.loads(json.dumps(message)))  # noqa: E731
    return json.loads(json.dumps(work(json.loads(json.dumps(argument)), tell), allow_nan=False))


@pytest.fixture
def near(monkeypatch):
    monkeypatch.setattr(sending, "run_confined", here)


def test_a_patch_is_proven_and_the_page_shows_it(asked, tmp_path, near):
    record = run_explanation(asked(), progress=False)
    found = record.explanations
    assert [one.image for one in found.explained][1:] == ["1<b>.png", "2<b>.png"]
    assert found.proven == 3
    assert {one.kind for one in found.explained} == {"region"}
    assert record == ExplanationRecord.load(tmp_path / "out" / "record.json")
    assert not (tmp_path / "out" / "work").exists()
    assert run_explanation(asked(), progress=False) == record  # nothing is done again
    pictures = {p.name for p in (tmp_path / "out" / "pictures").iterdir()}
    assert {"000-image.png", "001-found.png", "002-with-control-5.png"} <= pictures
    text = write_explanations_page(tmp_path / "out").read_text()
    assert "A trigger is proven in 3 of 3 images" in text
    assert "1&lt;b&gt;.png" in text
    assert "1<b>.png" not in text
    assert text.count("data:image/png;base64,") == 3 * (4 + 3 * 6)
    assert "--seed 1" in text


def test_cut_off_it_goes_on_with_finished_searches(asked, tmp_path, monkeypatch):
    calls = []

    def killed(function, argument, *, limits=None, on_message=lambda message: None):
        def tell(message):
            on_message(message)
            if "done" in message and (tmp_path / "out" / "work" / "found.jsonl").exists():
                calls.append(message)
                if len(calls) == 8:
                    raise KeyboardInterrupt

        return json.loads(json.dumps(work(json.loads(json.dumps(argument)), tell)))

    monkeypatch.setattr(sending, "run_confined", killed)
    with pytest.raises(KeyboardInterrupt):
        run_explanation(asked(), progress=False)
    assert holds_work(tmp_path / "out")
    before = (tmp_path / "out" / "work" / "found.jsonl").read_text()
    seen = []

    def going_on(function, argument, *, limits=None, on_message=lambda message: None):
        found = here(function, argument, on_message=on_message)
        seen.append((tmp_path / "out" / "work" / "found.jsonl").read_text())
        return found

    monkeypatch.setattr(sending, "run_confined", going_on)
    record = run_explanation(asked(), progress=False)
    assert seen[0].startswith(before)
    monkeypatch.setattr(sending, "run_confined", here)
    other = run_explanation(asked(out=str(tmp_path / "other")), progress=False)
    assert other.explanations == record.explanations


def test_confined_it_finds_the_same(asked, tmp_path, near, monkeypatch):
    record = run_explanation(asked(), progress=False)
    monkeypatch.undo()
    model, clean = str(asked().model), str(tmp_path / "clean.npy")
    done = subprocess.run(
        [sys.executable, "-m", "doldrum", "explain", model, *map(str, asked().images), "--clean", clean, "--seed", "1", "--json"],
        capture_output=True, text=True, cwd=tmp_path, timeout=300,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    told = json.loads(done.stdout)
    assert told["explanations"] == json.loads(json.dumps(record.explanations.to_dict()))
    assert "out" not in told


@pytest.mark.parametrize(
    "spoil",
    [
        lambda found: found["explanations"]["explained"][0].update(label=99),
        lambda found: found["explanations"]["explained"][0].update(proven="yes"),
        lambda found: found["explanations"]["explained"][0].update(where={"top": "<script>"}),
        lambda found: found["explanations"]["explained"][0].update(labels={"clean": [0], "found": [], "control": [0]}),
        lambda found: found["explanations"].update(queries=-1),
        lambda found: found["model"].update(input_shape=[1, 8]),
    ],
)
def test_facts_that_cannot_be_are_refused(asked, monkeypatch, spoil, answered):
    def spoilt(function, argument, *, limits=None, on_message=lambda message: None):
        found = json.loads(answered)
        spoil(found)
        return found

    monkeypatch.setattr(sending, "run_confined", spoilt)
    with pytest.raises((SandboxError, InputError)):
        run_explanation(asked(), progress=False)


@pytest.fixture(scope="module")
def answered(material, tmp_path_factory):
    """What the confined process answers for one image, as JSON."""
    folder = tmp_path_factory.mktemp("answered")
    np.save(folder / "bad.npy", material.triggered(slice(900, 912))[:1])
    np.save(folder / "clean.npy", material.images[:800])
    settings = ExplanationSettings(
        model=str(material.model), images=(str(folder / "bad.npy"),), clean=str(folder / "clean.npy"), out=str(folder / "out")
    )  # fmt: skip
    (folder / "work").mkdir()
    job = {"settings": json.loads(json.dumps(settings.to_dict())), "work": str(folder / "work"), "seed": 1}
    return json.dumps(work(job, lambda message: None))


@pytest.mark.parametrize(
    ("more", "match"),
    [
        ({"images": ()}, "images= as several paths"),
        ({"images": ("nowhere.png",)}, "nowhere.png, which is not"),
        ({"queries": 0}, "queries="),
        ({"alpha": 1.0}, "alpha="),
    ],
)
def test_settings_are_checked(asked, more, match):
    with pytest.raises(InputError, match=match):
        asked(**more)


def test_too_few_clean_images_are_a_clear_line(asked, tmp_path, near):
    np.save(tmp_path / "clean.npy", np.zeros((1, 1, 8, 8), np.uint8))
    with pytest.raises(InputError, match="at least 60 clean images, got 1"):
        run_explanation(asked(), progress=False)
    assert not (tmp_path / "out" / "explanation.json").exists()


class _Model(BaseHTTPRequestHandler):
    """Answers labels until `server.left` requests are answered; then the server is busy for ever."""

    def log_message(self, *args):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.left -= 1
        if self.server.left < 0:
            self.send_response(503)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        pixels = np.load(io.BytesIO(body))
        self.server.images += len(pixels)
        answer = json.dumps({"labels": self.server.model(pixels).argmax(1).tolist()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)


@pytest.fixture
def server(material):
    made = ThreadingHTTPServer(("127.0.0.1", 0), _Model)
    made.model, made.left, made.images = load_checkpoint(material.model), 1000, 0
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def test_an_endpoint_that_stops_answering_is_gone_on_with_and_its_bound_holds_over_both_runs(
    asked, server, tmp_path, near
):
    address = f"http://127.0.0.1:{server.server_address[1]}/"
    more = {
        "model": address, "size": (8, 8), "channels": "grey", "num_classes": 10, "outputs": "labels", "endpoint_batch": 512,
        "endpoint_body": "npy", "endpoint_retries": 0, "queries": 60_000,
    }  # fmt: skip
    server.left = 40
    with pytest.raises(EndpointError, match="expected an answer within 1 tries, got 503"):
        run_explanation(asked(**more), progress=False)
    assert holds_work(tmp_path / "out")
    server.left = 1000
    found = run_explanation(asked(**more), progress=False).explanations
    assert found.proven == 3
    assert found.queries <= 60_000
    assert found.queries <= server.images  # what was asked for nothing is what was cut off, no finished search
    assert server.images <= found.queries + 4000
