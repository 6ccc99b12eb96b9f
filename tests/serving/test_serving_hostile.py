"""Requests that mean harm, or nothing: each is answered with its status, and the service goes on."""

from __future__ import annotations

import contextlib
import http.client
import socket
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from served import Served, form, png, read, serving

SECRET = "a-secret-that-nobody-guesses"
HOST = b"Host: x\r\n"
TOKEN = f"Authorization: Bearer {SECRET}\r\n".encode()
SECONDS = 0.5  # for a head, and for a body
BODY = 200_000


@pytest.fixture(scope="module")
def served(guard) -> Iterator[Served]:
    with serving(
        guard, secret=SECRET, receive_seconds=SECONDS, max_body=BODY, max_images=8, max_pixels=1_000_000
    ) as one:
        yield one


@pytest.fixture(scope="module")
def image(digits) -> bytes:
    return png(digits[160, 0])


def answers(served: Served, image: bytes) -> None:
    """The service still does what it is there for."""
    good = served.classify([("a.png", image)], {"Authorization": f"Bearer {SECRET}"})
    assert good.status == 200
    assert good.body["results"][0]["error"] is None
    assert served.service.load.images == 0


def post(
    body: bytes, *lines: str, kind: str = "multipart/form-data; boundary=b0undary", length: int | None = None
) -> bytes:
    """A whole request with the secret."""
    head = [
        "POST /v1/classify HTTP/1.1",
        "Host: x",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body) if length is None else length}",
    ]
    return "\r\n".join([*head, *lines]).encode() + b"\r\n" + TOKEN + b"\r\n" + body


def posted(*files: tuple[str, bytes], field: str = "images") -> bytes:
    return post(form(files, field=field)[1])


def chunked(*parts: bytes) -> list[bytes]:
    head = b"POST /v1/classify HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=b0undary\r\nTransfer-Encoding: chunked\r\n"
    return [head + HOST + TOKEN + b"\r\n", *(f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in parts)]


def bomb(side: int) -> bytes:
    """A PNG of a few hundred bytes that claims, and unpacks to, side x side grey pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    pixels = b"".join(packer.compress(bytes(side + 1)) for _ in range(side)) + packer.flush() if side < 4000 else b"x"
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def requests_of(image: bytes) -> dict[str, tuple[int, list[bytes]]]:
    part = b'--b0undary\r\nContent-Disposition: form-data; name="images"; filename="a.png"\r\n\r\n'
    whole = form([("a.png", image)])[1]
    return {
        "no secret": (401, [post(whole).replace(TOKEN, b"")]),
        "another secret": (401, [post(whole).replace(SECRET.encode(), SECRET[:-1].encode() + b"x")]),
        "a secret that isn't ASCII": (401, [post(whole).replace(SECRET.encode(), b"\xc3\xa9\xff" * 9)]),
        "the secret as a password": (401, [post(whole).replace(b"Bearer", b"Basic")]),
        "metrics without the secret": (401, [b"GET /metrics HTTP/1.1\r\n" + HOST + b"\r\n"]),
        "an image of a billion pixels": (422, [posted(("a.png", bomb(40_000)))]),
        "an image above the pixels that unpacks": (422, [posted(("a.png", bomb(1_100)))]),
        "a truncated PNG": (422, [posted(("a.png", image[:-30]))]),
        "an image of 0 bytes": (422, [posted(("a.png", b""))]),
        "a zip": (422, [posted(("a.png", b"PK\x03\x04" + bytes(50)))]),
        "a script in SVG": (422, [posted(("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>"))]),
        "JSON": (415, [post(b"{}", kind="application/json")]),
        "a form of texts": (415, [post(b"a=1", kind="application/x-www-form-urlencoded")]),
        "no content type": (415, [post(whole).replace(b"Content-Type: multipart/form-data; boundary=b0undary\r\n", b"")]),
        "no boundary": (400, [post(whole, kind="multipart/form-data")]),
        "a boundary of 1,000 characters": (400, [post(whole, kind="multipart/form-data; boundary=" + "b" * 1000)]),
        "no body": (400, [post(b"")]),
        "bytes that are no form": (400, [post(bytes(range(256)) * 4)]),
        "a form that is cut off": (400, [post(whole[:-20])]),
        "another field": (400, [posted(("a.png", image), field="files")]),
        "a field of text": (400, [post(part.replace(b'; filename="a.png"', b"") + b"1\r\n--b0undary--\r\n")]),
        "a part with headers of 100 KB": (400, [post(part.replace(b"a.png", b"a" * 100_000) + whole)]),
        "10,000 files": (413, [*chunked(*(form([("a", b"")] * 10_000)[1][i : i + 50_000] for i in range(0, 700_000, 50_000)))]),
        "a body that says it is 10 GB": (413, [post(whole, length=10**10)]),
        "a body above the limit": (413, [posted(("a.png", bytes(BODY)))]),
        "chunks without end": (413, chunked(part, *[bytes(10_000)] * 100)),
        "a chunk of -1 bytes": (400, [chunked()[0] + b"-1\r\n"]),
        "headers of 1 MB": (431, [b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: " + b"x" * 1_000_000 + b"\r\n\r\n"]),
        "10,000 headers": (431, [b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: y\r\n" * 10_000 + b"\r\n"]),
        "no HTTP": (400, [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"]),
        "two lengths": (400, [post(whole, "Content-Length: 3")]),
        "a line break in a header's name": (400, [b"GET /healthz HTTP/1.1\r\n" + HOST + b"X\rY: 1\r\n\r\n"]),
        "another method": (405, [b"DELETE /v1/classify HTTP/1.1\r\n" + HOST + TOKEN + b"\r\n"]),
        "a path that climbs": (404, [b"GET /v1/../../etc/passwd HTTP/1.1\r\n" + HOST + TOKEN + b"\r\n"]),
        "a path that climbs, encoded": (404, [b"GET /v1/%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\n" + HOST + TOKEN + b"\r\n"]),
        "a head that never ends": (408, [b"POST /v1/classify HTTP/1.1\r\n", *[b"X: y\r\n"] * 12]),
        "a head that never begins": (408, [b""] * 12),
        "a body that drips": (408, [post(whole, length=BODY)[: -len(whole)], *[whole[i : i + 1] for i in range(12)]]),
        "a body that stops": (408, [post(whole[:40], length=len(whole))]),
    }  # fmt: skip


@pytest.mark.parametrize("name", requests_of(b""))
def test_it_is_refused_and_the_service_answers_on(served, image, name) -> None:
    status, parts = requests_of(image)[name]
    slow = status == 408
    start = time.perf_counter()
    answer = served.send(*parts, pause=0.1 if slow else 0.0)
    assert answer is not None
    assert answer.status == status
    assert isinstance(answer.body, dict), answer.body
    why = answer.body.get("detail") or answer.body["results"][0]["error"]
    assert why.startswith("expected ") or status in (404, 405)
    if status == 401:
        assert answer.headers["www-authenticate"] == "Bearer"
    if slow:
        assert time.perf_counter() - start > 0.9 * SECONDS
    answers(served, image)


def test_there_are_more_than_twenty_and_each_is_counted(served, image) -> None:
    wanted = {"no secret": "401", "10,000 files": "413", "JSON": "415", "no body": "400", "a truncated PNG": "422"}
    for name, status in wanted.items():
        before = served.metric("doldrum_requests_total", path="/v1/classify", status=status)
        served.send(*requests_of(image)[name][1])
        assert served.metric("doldrum_requests_total", path="/v1/classify", status=status) == before + 1
    before = served.metric("doldrum_requests_total", path="other", status="431")
    served.send(*requests_of(image)["10,000 headers"][1])
    assert served.metric("doldrum_requests_total", path="other", status="431") == before + 1
    assert len(requests_of(image)) > 20


def test_connections_that_are_cut_at_any_place_leave_nothing_behind(served, image) -> None:
    whole = posted(("a.png", image))
    for cut in (1, 20, 100, len(whole) - 200, len(whole) - 1, len(whole)):
        with socket.create_connection(("127.0.0.1", served.port)) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset, not an end
            client.sendall(whole[:cut])
    answers(served, image)
    for _ in range(100):
        if not served.service.load.images and not served.service.load._held:
            break
        time.sleep(0.05)
    assert (served.service.load.images, served.service.load._held) == (0, 0)


def test_two_hundred_connections_that_say_nothing_hold_up_nobody(served, image) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(200):
            stack.enter_context(socket.create_connection(("127.0.0.1", served.port))).sendall(b"POST /v1/cl")
        answers(served, image)


def test_connections_that_are_kept_open_keep_nobody_out(guard, image, monkeypatch) -> None:
    monkeypatch.setattr("doldrum.serving.server._CONNECTIONS", 6)
    with serving(guard, queue=1, max_images=1) as one, contextlib.ExitStack() as stack:
        kept = []
        for _ in range(9):
            client = http.client.HTTPConnection("127.0.0.1", one.port, timeout=20)
            kept.append(stack.enter_context(contextlib.closing(client)))
            client.request("GET", "/healthz")
            assert read(client.getresponse()).status == 200
        assert one.classify([("a.png", image)]).status == 200
        kept[-1].sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")  # the newest was left alone
        assert kept[-1].sock.recv(100).startswith(b"HTTP/1.1 200")
        assert kept[0].sock.recv(100) == b""  # the oldest was not


def test_more_connections_with_requests_than_are_taken_are_told_so(guard, image, monkeypatch) -> None:
    monkeypatch.setattr("doldrum.serving.server._CONNECTIONS", 4)
    with serving(guard, queue=1, max_images=1) as one:
        with contextlib.ExitStack() as stack:
            for _ in range(3):
                stack.enter_context(socket.create_connection(("127.0.0.1", one.port))).sendall(b"POST /v1/cl")
            full = one.ask("GET", "/healthz")
            assert (full.status, full.headers["retry-after"]) == (503, "1")
            assert full.body["detail"].startswith("expected fewer than 4 connections at a time, got more; ")
            assert one.metric("doldrum_requests_total", path="other", status="503") == 1
        last = one.classify([("a.png", image)])
        for _ in range(100):  # until it has seen that they left
            if last.status == 200:
                break
            time.sleep(0.05)
            last = one.classify([("a.png", image)])
        assert last.status == 200


@pytest.mark.parametrize(
    ("head", "why"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "Host"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", "Content-Length"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "chunk"),
    ],
)
def test_what_is_wrong_with_a_head_is_said(served, head, why) -> None:
    answer = served.send(head)
    assert answer is not None
    assert answer.status == 400
    assert why in answer.body["detail"].partition("got a request that cannot be read (")[2]


def test_a_request_of_which_nothing_came_is_told_so(served) -> None:
    nothing, body = served.send(b""), served.send(post(b"", length=9))
    assert nothing is not None
    assert body is not None
    assert "got nothing; " in nothing.body["detail"]
    assert "got nothing of its body; " in body.body["detail"]


def test_a_file_may_have_its_name_in_the_extended_form(served, image) -> None:
    part = b"--b0undary\r\nContent-Disposition: form-data; name=\"images\"; filename*=UTF-8''%c3%bc%0a.png\r\n\r\n"
    answer = served.send(post(part + image + b"\r\n--b0undary--\r\n"))
    assert answer is not None
    assert answer.status == 200
    assert answer.body["results"][0]["id"] == "ü\\n.png"


def test_a_name_that_climbs_is_shown_and_opens_nothing(served, image, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    answer = served.classify([("../../../tmp/x\u202e.png", image)], {"Authorization": f"Bearer {SECRET}"})
    assert answer.status == 200
    assert answer.body["results"][0]["id"] == "../../../tmp/x\\u202e.png"
    assert list(Path(tmp_path).iterdir()) == []


def test_a_refusal_before_the_body_does_not_ask_for_it_and_a_client_that_waits_hears_it(served, image) -> None:
    """Expect: 100-continue: without the secret, the answer is 401 at once, and not 100."""
    head = post(b"", "Expect: 100-continue", length=100_000).replace(TOKEN, b"")
    answer = served.send(head)
    assert answer is not None
    assert (answer.status, answer.headers["connection"]) == (401, "close")
    answers(served, image)


def test_a_connection_stays_open_where_the_body_of_a_refused_request_ended(served, image) -> None:
    kind, body = form([("a.png", image)])
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)) as client:
        client.connect()
        first = client.sock
        for _ in range(3):
            client.request("POST", "/v1/classify", body=body, headers={"Content-Type": kind})
            assert read(client.getresponse()).status == 401
            assert client.sock is first


def test_a_full_queue_is_said_with_how_long_to_wait(gate, image) -> None:
    with serving(gate, queue=3, max_images=3) as one:
        one.service.load.note_pace(2.5)
        held = threading.Thread(target=one.classify, args=([("a.png", image)] * 2,))
        held.start()
        assert gate.reached.wait(20)
        two, single = one.classify([("a.png", image)] * 2), None
        assert (two.status, two.headers["retry-after"]) == (429, "5")  # two images before it, of 2.5 s each
        assert one.metric("doldrum_queue_images") == 2
        single = threading.Thread(target=one.classify, args=([("a.png", image)],))
        single.start()
        while one.service.load.images < 3:
            time.sleep(0.01)
        head = one.send(
            b"POST /v1/classify HTTP/1.1\r\nContent-Length: 5000000\r\nExpect: 100-continue\r\n" + HOST + b"\r\n"
        )
        assert head is not None  # full: refused before the body is asked for
        assert head.status == 429
        gate.opened.set()
        held.join(20)
        single.join(20)
        assert one.classify([("a.png", image)]).status == 200
        assert one.metric("doldrum_requests_total", path="/v1/classify", status="429") == 2


def test_an_answer_that_takes_too_long_is_504_and_its_images_are_dropped(gate, image) -> None:
    with serving(gate, answer_seconds=2, batch=1) as one:
        late = one.classify([("a.png", image)] * 3)
        assert late.status == 504
        assert one.service.load.images == 0
        gate.opened.set()
        assert one.classify([("a.png", image)]).status == 200
        assert one.metric("doldrum_batch_images_count") <= 2  # of the three at most the one that had begun


def test_nobody_works_for_a_client_that_left(gate, image) -> None:
    with serving(gate, batch=1) as one:
        with socket.create_connection(("127.0.0.1", one.port)) as client:
            client.sendall(posted(*[("a.png", image)] * 5))
            assert gate.reached.wait(20)
        for _ in range(200):
            if not one.service.load.images:
                break
            time.sleep(0.05)
        assert one.service.load.images == 0
        gate.opened.set()
        assert one.classify([("a.png", image)]).status == 200
        assert one.metric("doldrum_batch_images_count") == 2
        assert one.metric("doldrum_requests_total", path="/v1/classify", status="499") == 1


def test_bodies_that_are_held_are_bounded_together(guard, image) -> None:
    from doldrum.serving.load import Load
    from doldrum.serving.refusal import Refusal
    from doldrum.serving.settings import ServeSettings

    load = Load(ServeSettings(max_body=100))
    with load.body() as first, load.body() as second:
        first.add(1500)
        with pytest.raises(Refusal) as refused:
            second.add(101)
        assert refused.value.status == 429
        second.add(100)
    with load.body() as third:
        third.add(1600)


def test_images_that_would_wait_too_long_are_not_taken(guard) -> None:
    from doldrum.serving.load import Load
    from doldrum.serving.refusal import Refusal
    from doldrum.serving.settings import ServeSettings

    load = Load(ServeSettings(answer_seconds=10))
    load.note_pace(4.0)
    with load.taken(1), load.taken(1):  # 8 s
        with pytest.raises(Refusal) as refused:
            load.check()
        assert refused.value.headers == {"Retry-After": "8"}
    load.note_pace(4.0)
    load.check(64)  # an empty queue takes what it is given, or it would never learn that it has become faster


def test_grey_noise_of_many_sizes_never_raises(served) -> None:
    """Whatever bytes come as an image, the answer is JSON with a verdict or a reason for each."""
    rng = np.random.default_rng(0)
    files = [(str(i), bytes(rng.integers(0, 256, int(rng.integers(1, 3000)), dtype=np.uint8))) for i in range(8)]
    answer = served.classify(files, {"Authorization": f"Bearer {SECRET}"})
    assert answer.status == 422
    assert len(answer.body["results"]) == 8
