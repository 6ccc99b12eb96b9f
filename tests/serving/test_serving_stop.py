"""A stop: no more is taken, what was taken is answered, nothing is left."""

from __future__ import annotations

import contextlib
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from served import Served, form, png, serving

from doldrum.errors import InputError
from doldrum.serving.server import Server, bound_socket


def refused(one: Served) -> bool:
    """Whether nobody listens any more."""
    try:
        socket.create_connection(("127.0.0.1", one.port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_what_was_taken_is_answered_and_no_more_is_taken(gate, digits) -> None:
    files = [(str(i), png(digits[i, 0])) for i in range(160, 166)]
    with serving(gate, batch=2) as one, ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(one.classify, files[i : i + 2]) for i in (0, 2, 4)]
        while one.service.load.images < 6:
            time.sleep(0.01)
        head = b"POST /v1/classify HTTP/1.1\r\nHost: x\r\n"
        kind, body = form(files[:1])
        with socket.create_connection(("127.0.0.1", one.port)) as half:  # a request of which a part has come
            half.sendall(head + f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body[:30])
            time.sleep(0.2)
            one.server.handle_exit(15, None)
            assert not one.service.ready
            for _ in range(200):
                if refused(one):
                    break
                time.sleep(0.05)
            assert refused(one)
            assert not any(one.done() for one in asked)
            half.sendall(body[30:])
            gate.opened.set()
            assert half.recv(1 << 16).startswith(b"HTTP/1.1 200")
        assert [one.result(20).status for one in asked] == [200, 200, 200]
        one.thread.join(20)
        assert not one.thread.is_alive()
    assert one.server.stopped_by == 15
    assert one.service._decoder._service.ended


def test_a_client_that_never_ends_its_request_does_not_hold_up_the_stop_for_longer_than_a_request_may_take(
    guard,
) -> None:
    with serving(guard, receive_seconds=0.5) as one:
        with socket.create_connection(("127.0.0.1", one.port)) as half:
            half.sendall(
                b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 99\r\n\r\n--"
            )
            time.sleep(0.1)
            start = time.perf_counter()
            one.server.should_exit = True
            one.thread.join(20)
            assert not one.thread.is_alive()
            assert half.recv(1 << 16).startswith(b"HTTP/1.1 408")
        assert time.perf_counter() - start < 10


def test_while_it_stops_it_is_not_ready_and_alive(guard) -> None:
    with serving(guard) as one:
        assert one.ask("GET", "/readyz").body == {"ready": True}
        one.service.ready = False
        assert one.ask("GET", "/readyz").status == one.ask("HEAD", "/readyz").status == 503
        assert one.ask("GET", "/healthz").status == one.ask("HEAD", "/healthz").status == 200


def test_a_second_ctrl_c_cuts_the_connections_and_says_nothing(gate, digits, caplog, capfd) -> None:
    kind, body = form([("a.png", png(digits[160, 0]))])
    head = f"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    with serving(gate) as one:
        with socket.create_connection(("127.0.0.1", one.port), timeout=20) as asked:
            asked.sendall(head.encode() + body)
            assert gate.reached.wait(20)
            one.server.handle_exit(2, None)
            one.server.handle_exit(2, None)
            with contextlib.suppress(ConnectionResetError):
                assert asked.recv(100) == b""
        gate.opened.set()
        one.thread.join(20)
        assert not one.thread.is_alive()
        assert one.service._decoder._service.ended
    assert (caplog.text, capfd.readouterr().err) == ("", "")


def test_a_service_that_has_run_is_refused(guard) -> None:
    with serving(guard) as one:
        pass
    with pytest.raises(InputError, match="expected a service that was not run before"):
        Server(one.service).run()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_port_that_is_taken_is_said_before_any_work(host) -> None:
    try:
        first = bound_socket(host, 0)
    except InputError:
        pytest.skip(f"this machine has no {host}")
    with first:
        first.listen()
        port = first.getsockname()[1]
        with pytest.raises(InputError, match=f"expected host= and port= that are free here, got {host}:{port}"):
            bound_socket(host, port)
