"""SIGTERM and SIGHUP: exit codes of their own, one line, whole shards, and nothing left among the temporary files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import doldrum as dd
from doldrum.cli.signals import heeded_signals

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")
MAIN = [sys.executable, "-c", "from doldrum.cli import main; main()"]


@pytest.mark.parametrize("more", [[], ["--workers", "2"]], ids=["alone", "workers"])
def test_sigterm_leaves_whole_shards_and_no_temporary_file(model, tmp_path, more):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((4000, 1, 8, 8), dtype=np.float32))
    (tmp_path / "tmp").mkdir()
    words = [
        "measure",
        model,
        tmp_path / "x.npy",
        "--draws",
        "400",
        "--batch-size",
        "16",
        "--out",
        tmp_path / "out",
        *more,
    ]
    process = subprocess.Popen(
        [*MAIN, *map(str, words)], stderr=subprocess.PIPE, text=True, env=os.environ | {"TMPDIR": str(tmp_path / "tmp")}
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "out" / "part-00002.parquet").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert os.listdir(tmp_path / "tmp")
    for _ in range(2):  # as `timeout` does
        process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    kept = f"finished images are kept in {tmp_path / 'out'}; run the same command again to continue"
    assert err.endswith(f"doldrum: ended by SIGTERM; {kept}\n")
    assert "Traceback" not in err
    while os.listdir(tmp_path / "tmp") and time.monotonic() < deadline + 60:  # a worker may take a moment longer
        time.sleep(0.01)
    assert os.listdir(tmp_path / "tmp") == []
    assert 0 < len(dd.read_responses(tmp_path / "out")) < 4000


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_the_exit_code_tells_the_signal(name):
    source = (
        "import os, signal, doldrum.cli.app as cli\n"
        f"signal.signal(signal.{name}, signal.SIG_DFL)\n"  # what starts the tests may ignore it, as nohup does
        f"cli.app = lambda **settings: os.kill(os.getpid(), signal.{name})\n"
        "cli.main()"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 128 + getattr(signal, name)
    assert done.stderr == f"doldrum: ended by {name}\n"


def test_handlers_are_put_back_and_an_ignored_signal_stays_ignored():
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with heeded_signals() as ended:
            assert callable(signal.getsignal(signal.SIGTERM))
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        assert ended.by is None
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
