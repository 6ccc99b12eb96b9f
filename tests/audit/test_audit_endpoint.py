"""A model at an address: it is asked as told, its budget is kept, and no secret of its address or token is written down."""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from audit_material import here, settings
from PIL import Image

from doldrum.audit import AuditSettings, run_audit
from doldrum.confined import sending as confined
from doldrum.confined.scanning import budget
from doldrum.errors import InputError
from doldrum.training import load_checkpoint

SMALL = {"fpr": 0.05, "size": (8, 8), "channels": "grey", "num_classes": 10, "outputs": "labels", "endpoint_batch": 256}


@pytest.fixture(scope="module")
def server(material):
    model = load_checkpoint(material.model)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            pixels = [np.asarray(Image.open(io.BytesIO(base64.b64decode(text)))) for text in body["images"]]
            self.server.asked.append((self.headers.get("Authorization"), len(pixels)))
            labels = model(np.stack(pixels)[:, None].astype(np.float32) / 255).argmax(1)
            answer = json.dumps({"labels": labels.tolist()}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.asked = []  # pyright: ignore[reportAttributeAccessIssue]
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def near(monkeypatch):
    """Audits without confinement and untimed; each asks in its own way, so none is handed another's classifier."""
    monkeypatch.setattr(confined, "run_confined", here)
    monkeypatch.setattr(budget, "seconds_per_forward", lambda classifier, images: 1e-4)


def address(server):
    return f"http://127.0.0.1:{server.server_address[1]}/predict?key=hidden-key"


def asked(material, tmp_path, server, **more) -> AuditSettings:
    made = settings(material, tmp_path, material.images[:80], material.images[300:310])
    return AuditSettings(**{**vars(made), "model": address(server), **SMALL, **more})


def test_its_secrets_are_written_nowhere_and_what_was_sent_is_told(material, tmp_path, server, near, monkeypatch):
    monkeypatch.setenv("MODEL_TOKEN", "hidden-token")
    server.asked.clear()
    said = []
    record = run_audit(asked(material, tmp_path, server, endpoint_token="MODEL_TOKEN"), say=said.append)
    assert {token for token, _ in server.asked} == {"Bearer hidden-token"}
    sent = sum(count for _, count in server.asked)
    assert f"{sent:,} images were sent to the endpoint in this run." in record.verdict["sentences"]
    assert record.model["name"] == address(server).partition("?")[0] + "?…"
    files = [p for p in (tmp_path / "out").rglob("*") if p.is_file()]
    assert len(files) > 3
    assert not [p.name for p in files if b"hidden" in p.read_bytes()]
    assert not [text for text in said if "hidden" in text]


def test_a_budget_of_queries_that_cannot_last_is_refused_at_once(material, tmp_path, server, near):
    server.asked.clear()
    with pytest.raises(
        InputError, match=r"--endpoint-queries of at least 5,\d\d\d for 90 images at 64 forward passes each, got 5,000"
    ):
        run_audit(asked(material, tmp_path, server, endpoint_queries=5000))
    assert sum(count for _, count in server.asked) < 300
    assert not (tmp_path / "out").exists()


def test_a_run_may_go_on_with_another_rate_and_token_but_not_at_another_address(material, tmp_path, server, near):
    first = asked(material, tmp_path, server)
    record = run_audit(first)
    assert run_audit(AuditSettings(**{**vars(first), "endpoint_per_second": 3.0, "endpoint_retries": 1})) == record
    with pytest.raises(InputError, match="began, got another model, or the same model in another place; use"):
        run_audit(AuditSettings(**{**vars(first), "model": address(server) + "2"}))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"endpoint_token": "NO_SUCH_VARIABLE"}, "a secret in the environment variable NO_SUCH_VARIABLE, got none"),
        ({"endpoint_batch": 0}, "at least 1"),
        ({"endpoint_body": "jpg"}, "endpoint_body= to be 'png' or 'npy'"),
        ({"endpoint_per_second": 0.0}, "positive number as endpoint_per_second="),
        ({"model": "http://user:word@127.0.0.1/x"}, "without a password"),
    ],
)
def test_what_cannot_be_is_said_before_any_work(material, tmp_path, server, wrong, says):
    with pytest.raises(InputError, match=says):
        asked(material, tmp_path, server, **wrong)


def test_the_command_passes_the_token_into_the_confined_process(material, tmp_path, server):
    np.save(tmp_path / "clean.npy", material.images[:80])
    np.save(tmp_path / "new.npy", material.images[300:310])
    server.asked.clear()
    words = [
        "audit", address(server), "--images", "new.npy", "--clean", "clean.npy", "--fpr", "0.05", "--size", "8", "--channels", "grey",
        "--num-classes", "10", "--outputs", "labels", "--endpoint-batch", "256", "--endpoint-token", "MODEL_TOKEN", "--out", "out", "--explain", "0",
    ]  # fmt: skip
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", "from doldrum.cli import main; main()", *words],
        cwd=tmp_path, capture_output=True, text=True, check=False, env={**os.environ, "MODEL_TOKEN": "hidden-token"},
    )  # fmt: skip
    assert run.returncode in (0, 3), run.stderr
    assert {token for token, _ in server.asked} == {"Bearer hidden-token"}
    assert "hidden" not in run.stdout + run.stderr
