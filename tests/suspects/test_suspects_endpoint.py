"""A model behind HTTP, against a server on this machine that is slow, wrong, hostile or fine."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image

from doldrum.errors import ClassifierError, EndpointError, InputError
from doldrum.suspects import Endpoint, Preprocessing, open_model
from doldrum.suspects.endpoint import EndpointClassifier

GREY = Preprocessing(size=4, channels="grey")
BATCH = np.linspace(0, 1, 5 * 16, dtype=np.float32).reshape(5, 1, 4, 4)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_args):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server = self.server
        server.seen.append((self.path, dict(self.headers), time.monotonic()))
        if self.path == "/elsewhere":
            self.answer(307, {}, {"Location": "http://127.0.0.2:1/predict"})
        elif self.path == "/moved":
            self.answer(307, {}, {"Location": "/predict"})
        elif self.path == "/round":
            self.answer(307, {}, {"Location": "/round"})
        elif self.path == "/busy" and len(server.seen) < 3:
            self.answer(429, {}, {"Retry-After": "0.05"})
        elif self.path == "/broken":
            self.answer(500, {"secret": self.headers.get("Authorization")})
        elif self.path == "/denied":
            self.answer(403, {})
        elif self.path == "/slow":
            self.send_response(200)
            self.end_headers()
            for _ in range(100):  # a byte now and then keeps any timeout between bytes from firing
                try:
                    self.wfile.write(b" ")
                    self.wfile.flush()
                except OSError:
                    return
                time.sleep(0.05)
        elif self.path == "/flood":
            self.send_response(200)
            self.end_headers()
            try:
                for _ in range(1000):
                    self.wfile.write(b"[" * (1 << 18))
            except OSError:
                pass
        elif self.path.startswith("/say/"):
            text = base64.urlsafe_b64decode(self.path[5:])
            self.answer(200, text)
        else:
            self.answer(200, server.model(body, self.headers["Content-Type"], self.path))

    def answer(self, status, value, headers=()):
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        for name, text in dict(headers).items():
            self.send_header(name, text)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(data)


def _model(body, kind, path):
    """Class 0, 1 or 2 by mean brightness."""
    if kind == "application/x-npy":
        array = np.load(io.BytesIO(body))
    else:
        texts = json.loads(body)["images"]
        array = np.stack([np.asarray(Image.open(io.BytesIO(base64.b64decode(t)))) / 255 for t in texts])[:, None]
    means = array.mean(axis=(1, 2, 3))
    if path == "/scores":
        return {"scores": [[float(m), 0.5, float(1 - m)] for m in means]}
    return {"labels": [int(m * 2.999) for m in means]}


@pytest.fixture
def server():
    made = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    made.seen, made.model, made.daemon_threads = [], _model, True
    thread = threading.Thread(target=made.serve_forever, args=(0.02,))
    thread.start()
    made.base = f"http://127.0.0.1:{made.server_address[1]}"
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def ask(url, *, outputs="labels", **settings):
    settings = {"timeout": 2, "retries": 0, **settings}
    return EndpointClassifier(Endpoint(url=url, **settings), input_shape=(1, 4, 4), num_classes=3, outputs=outputs)


def said(server, value):
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return f"{server.base}/say/{base64.urlsafe_b64encode(text).decode()}"


@pytest.mark.parametrize("body", ["png", "npy"])
def test_labels_and_scores(server, body):
    truth = _model(_npy(BATCH), "application/x-npy", "/scores")["scores"]
    labels = ask(f"{server.base}/predict", body=body, batch=2)
    assert labels(BATCH).tolist() == [0, 0, 1, 2, 2]
    assert (labels.requests, labels.queries) == (3, 5)
    scores = ask(f"{server.base}/scores", body=body, outputs="probabilities")(BATCH)
    # eight bits a pixel: each off by half a step at most, and so is their mean
    np.testing.assert_allclose(scores, truth, atol=1e-6 if body == "npy" else 0.5 / 255 + 1e-6)


def _npy(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def test_open_model_takes_an_address(server):
    suspect = open_model(f"{server.base}/predict", preprocessing=GREY, num_classes=3)
    assert suspect.format == "endpoint"
    assert suspect.classifier(BATCH).tolist() == [0, 0, 1, 2, 2]
    with pytest.raises(InputError, match="pass size= and num_classes="):
        open_model(f"{server.base}/predict")


def test_busy_servers_are_asked_again_after_a_wait(server):
    classifier = ask(f"{server.base}/busy", retries=4)
    assert len(classifier(BATCH)) == 5
    times = [when for _, _, when in server.seen]
    assert len(times) == 3
    assert min(np.diff(times)) >= 0.05


@pytest.mark.parametrize(
    ("path", "words", "requests"),
    [
        ("/broken", "within 2 tries, got 500", 2),
        ("/denied", "got 403", 1),
        ("/elsewhere", "a redirect", 1),
        ("/round", "a chain of redirects", 4),
        ("/slow", "TimeoutError", 2),
        ("/flood", "at most 16 MiB", 1),
    ],
)
def test_bad_servers_end_soon_and_hear_no_more(server, monkeypatch, path, words, requests):
    monkeypatch.setenv("SOME_TOKEN", "hunter2-secret")
    started = time.monotonic()
    classifier = ask(server.base + path, retries=1, token="SOME_TOKEN", timeout=0.5 if path == "/slow" else 5)
    with pytest.raises(ClassifierError, match=words) as caught:
        classifier(BATCH)
    assert isinstance(caught.value, EndpointError) == (requests == 2)  # the same again may do
    assert time.monotonic() - started < 10
    assert len(server.seen) == requests
    assert server.seen[0][1]["Authorization"] == "Bearer hunter2-secret"
    for text in (str(caught.value), repr(caught.value.__cause__), repr(classifier.endpoint), classifier.fingerprint):
        assert "hunter2" not in text


def test_redirects_within_the_host_are_followed(server):
    assert len(ask(f"{server.base}/moved")(BATCH)) == 5
    assert [path for path, _, _ in server.seen] == ["/moved", "/predict"]


@pytest.mark.parametrize(
    "reply",
    [
        b"", b"<html>", b"[" * 5000, [], {"labels": 3}, {"labels": [0] * 4}, {"labels": [0, 0, 0, 0, 3]},
        {"labels": [0, 0, 0, 0, -1]}, {"labels": [0, 0, 0, 0, 0.5]}, {"labels": [0, 0, 0, 0, "\x1b[31m"]},
        {"labels": [0, 0, 0, 0, True]}, {"labels": [[0]] * 5}, {"labels": [10**400] * 5}, {"scores": [[1, 2, 3]] * 5},
    ],
)  # fmt: skip
def test_answers_that_are_none(server, reply):
    with pytest.raises(ClassifierError, match="expected JSON with the field 'labels' for 5 images") as caught:
        ask(said(server, reply))(BATCH)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "rows", [[[1, 2]] * 5, [[1, 2, "3"]] * 5, [[1, 2, None]] * 5, [1, 2, 3, 4, 5], [[10**400, 0, 0]] * 5]
)
def test_scores_that_are_none(server, rows):
    with pytest.raises(ClassifierError, match="expected JSON with the field 'scores' for 5 images"):
        ask(said(server, {"scores": rows}), outputs="logits")(BATCH)


def test_budget_and_rate(server):
    classifier = ask(f"{server.base}/predict", budget=7, batch=5, per_second=2)
    classifier(BATCH)
    classifier(BATCH[:2])
    with pytest.raises(InputError, match="at most 7 images"):
        classifier(BATCH[:1])
    times = [when for _, _, when in server.seen]
    assert np.diff(times) >= 0.45  # .5 apart where they leave; on a busy machine the first may arrive late


@pytest.mark.parametrize(
    "bad",
    [
        {"url": "ftp://a/b"}, {"url": "http://"}, {"url": "http://u:p@host/"}, {"url": "http://a b/"},
        {"url": "http://a/\x1b"}, {"url": "http://a:99999999/"}, {"url": "http://a/", "body": "exe"},
        {"url": "http://a/", "batch": 0}, {"url": "http://a/", "timeout": float("nan")},
        {"url": "http://a/", "token": "NO_SUCH_VARIABLE"}, {"url": "http://a/", "budget": 0},
    ],
)  # fmt: skip
def test_endpoints_are_checked(bad):
    with pytest.raises(InputError, match="expected"):
        Endpoint(**bad)


def test_secrets_go_over_tls_or_stay_here(monkeypatch):
    monkeypatch.setenv("SOME_TOKEN", "hunter2-secret")
    with pytest.raises(InputError, match="use https"):
        Endpoint(url="http://example.org/", token="SOME_TOKEN")
    assert "hunter2" not in repr(Endpoint(url="https://example.org/", token="SOME_TOKEN"))
