"""What a confined process that stays may do, good and bad."""

from __future__ import annotations

import os
import signal
import time

from doldrum.errors import InputError


def echo(argument, tell):
    def handle(request, read, block):
        count = 0
        while request is not None:
            value, data = request
            if value.get("raise") == "InputError":
                raise InputError("expected luck, got no such luck; try again")
            if value.get("raise") == "torch":
                raise RuntimeError(
                    "[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried"
                )
            if value.get("raise"):
                raise ZeroDivisionError
            _do(value.get("do"))
            block(value, data)
            count += 1
            request = read()
        return count

    return "ready", handle


def refuses(argument, tell):
    raise InputError("expected another day, got not today; wait")


def _do(what):
    if what == "sleep":
        time.sleep(60)
    elif what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    elif what == "allocate":
        held = [bytearray(64 << 20) for _ in range(100)]
        time.sleep(len(held))
    elif what in ("garbage", "huge"):
        text = b"this is no frame" if what == "garbage" else b"b\x00\x00\x00\x02{}\x00\x00\x01\x00\x00\x00\x00\x00"
        # The child's own channel is the highest pipe it holds: an attacker finds it.
        for fd in range(3, 64):
            try:
                os.write(fd, text)
            except OSError:
                continue
        time.sleep(60)
