"""A confined process that stays: many requests, errors that end nothing, and bounds on each wait."""

from __future__ import annotations

import threading
import time

import pytest

from doldrum.errors import InputError, SandboxError
from doldrum.sandbox import Limits, Service

HERE = "service_canaries"


@pytest.fixture(scope="module")
def echo():
    service = Service(f"{HERE}:echo", None, limits=Limits(seconds=60, memory=1 << 30))
    yield service
    service.close()


def asked(service, parts, heard=None):
    found = []
    value = service.ask(parts, heard or (lambda value, data: found.append((value, data))))
    return value, found


def test_many_requests_of_many_parts_come_back_in_order(echo):
    for size in (0, 1, 1 << 20):
        value, found = asked(echo, [({"k": k}, bytes([k]) * size) for k in range(20)])
        assert value == 20
        assert found == [({"k": k}, bytes([k]) * size) for k in range(20)]


def test_an_error_inside_is_raised_here_and_the_next_request_is_answered(echo):
    with pytest.raises(InputError, match="no such luck"):
        asked(echo, [({"raise": "InputError"}, b"")] + [({}, b"x" * 100_000)] * 50)
    with pytest.raises(SandboxError, match="ZeroDivisionError"):
        asked(echo, [({"raise": "ZeroDivisionError"}, b"")])
    assert asked(echo, [({"k": 1}, b"y")]) == (1, [({"k": 1}, b"y")])


@pytest.mark.parametrize(
    ("what", "reason"),
    [("sleep", "time"), ("die", "died"), ("allocate", "memory"), ("garbage", "nonsense"), ("huge", "nonsense")],
)
def test_every_bad_end_has_a_reason_and_ends_the_process(what, reason):
    seconds = 2 if what == "sleep" else 60
    service = Service(f"{HERE}:echo", None, limits=Limits(seconds=seconds, memory=512 << 20, reply=1 << 20))
    began = time.monotonic()
    with pytest.raises(SandboxError) as caught:
        asked(service, [({"do": what}, b"")])
    assert caught.value.reason == reason
    assert time.monotonic() - began < 30
    assert service.ended
    with pytest.raises(SandboxError, match="has ended"):
        asked(service, [({}, b"")])


def test_what_the_caller_raises_is_raised_and_ends_the_process():
    service = Service(f"{HERE}:echo", None, limits=Limits(seconds=60))

    def parts():
        yield {}, b"1"
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        asked(service, parts())
    assert service.ended


def test_time_is_counted_for_each_wait_not_in_all():
    service = Service(f"{HERE}:echo", None, limits=Limits(seconds=3))
    for _ in range(4):
        time.sleep(1)
        assert asked(service, [({"k": 0}, b"z")])[0] == 1
    service.close()


def test_an_error_at_the_start_is_raised():
    with pytest.raises(InputError, match="not today"):
        Service(f"{HERE}:refuses", None, limits=Limits(seconds=60))


def test_closed_while_it_is_at_work_it_says_so():
    service = Service(f"{HERE}:echo", None, limits=Limits(seconds=60, memory=1 << 30))
    closer = threading.Timer(0.3, service.close)
    closer.start()
    with pytest.raises(SandboxError, match="the process was closed while it was working") as caught:
        asked(service, [({"do": "sleep"}, b"")])
    assert caught.value.reason == "closed"
    with pytest.raises(SandboxError, match="process that was closed; open the model again"):
        asked(service, [({}, b"")])
    closer.join()


def test_a_library_out_of_memory_is_the_limit_exceeded():
    service = Service(f"{HERE}:echo", None, limits=Limits(seconds=60, memory=1 << 30))
    with pytest.raises(SandboxError, match="at most 1024 MiB of memory") as caught:
        asked(service, [({"raise": "torch"}, b"")])
    assert caught.value.reason == "memory"
    service.close()
