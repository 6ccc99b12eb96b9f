"""Ctrl-C ends the workers at once, and says nothing of theirs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = """
import multiprocessing.util, os, signal, sys, time
from doldrum.spread import spread

started = multiprocessing.util.spawnv_passfds

def interrupted(path, arguments, files):
    pid = started(path, arguments, files)
    if "spawn_main" in str(arguments):
        os.killpg(0, signal.SIGINT)
        time.sleep(0.5)
    return pid

if "--as-a-worker-starts" in sys.argv:
    multiprocessing.util.spawnv_passfds = interrupted

def nap(seconds):
    print("begun", os.getpid(), flush=True)
    time.sleep(seconds)

if __name__ == "__main__":
    try:
        print("started", flush=True)
        for _ in spread(nap, [60.0, 60.0, 60.0], workers=2):
            pass
    except KeyboardInterrupt:
        sys.exit(130)
"""


def run(folder: Path, *options: str) -> subprocess.Popen[str]:
    (folder / "script.py").write_text(SCRIPT)
    # What starts the tests may ignore Ctrl-C, as a shell does for jobs in the background: they inherit it.
    return subprocess.Popen(
        [sys.executable, "script.py", *options], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="process groups are POSIX's")
@pytest.mark.parametrize("begun", [0, 2])
def test_ctrl_c_ends_the_workers_and_prints_nothing_of_theirs(tmp_path, begun) -> None:
    process = run(tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"  # on a busy machine, imports alone take seconds
    workers = [int(process.stdout.readline().split()[1]) for _ in range(begun)]
    if not begun:
        time.sleep(1.5)  # workers are starting: importing, or about to
    os.killpg(process.pid, signal.SIGINT)
    began = time.monotonic()
    _, err = process.communicate(timeout=50)
    assert time.monotonic() - began < 30  # the naps would take 60 s
    assert process.returncode == 130
    assert err == ""
    for worker in workers:
        with pytest.raises(ProcessLookupError):
            os.kill(worker, 0)


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="process groups are POSIX's")
def test_ctrl_c_between_the_start_of_a_worker_and_what_it_is_told(tmp_path) -> None:
    """The worker got half a message, said so in a traceback, and was waited for."""
    process = run(tmp_path, "--as-a-worker-starts")
    began = time.monotonic()
    out, err = process.communicate(timeout=50)
    assert time.monotonic() - began < 30
    assert (process.returncode, out, err) == (130, "started\n", "")
