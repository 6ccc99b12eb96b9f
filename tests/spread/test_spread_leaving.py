"""A worker that is ended in the middle of a job ends the model that it opened, wherever the job was."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import os, signal, tempfile, time
from doldrum.errors import WorkerError
from doldrum.sandbox import Limits, Service
from doldrum.spread import spread

def job(_):
    model = Service("doldrum.sandbox.canary:doubler", None, limits=Limits(seconds=60))
    with model._process._frames.mutex, model._process._ending:  # as where it takes an answer, or is being ended
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.2)
    time.sleep(60)

if __name__ == "__main__":
    try:
        list(spread(job, [0], workers=1))
    except WorkerError as error:
        print("told")
"""


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_it_leaves_where_the_job_holds_what_is_needed_to_end_a_model(tmp_path: Path) -> None:
    """The handler itself waited for the lock, and neither the worker nor the command ever ended."""
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "tmp").mkdir()
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, env=os.environ | {"TMPDIR": str(tmp_path / "tmp")}, capture_output=True, text=True,
        timeout=50, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "told\n"), done.stderr
    assert os.listdir(tmp_path / "tmp") == []
