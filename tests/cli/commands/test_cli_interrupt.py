"""Ctrl-C, whenever it comes: exit code 130, one line, no traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")

AS_IT_IMPORTS = """
import os, signal, sys

class Interrupts:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupts())
from doldrum.cli import main
main()
"""
AS_IT_ENDS = """
import atexit, os, signal

atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))
import doldrum.cli.app as cli

def interrupted(**settings):
    os.kill(os.getpid(), signal.SIGINT)

cli.app = interrupted
cli.main()
"""


@pytest.mark.parametrize(
    "source",
    [*(AS_IT_IMPORTS.format(name=name) for name in ("typer", "numpy", "doldrum.cli.commands.study")), AS_IT_ENDS],
    ids=["typer", "numpy", "study", "twice"],
)
def test_ctrl_c_is_told_in_a_line(source):
    run = subprocess.run(
        [sys.executable, "-c", source, "--version"], capture_output=True, text=True, timeout=120, check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    assert run.returncode == 130, run.stderr
    assert run.stderr.startswith("doldrum: interrupted")
    assert len(run.stderr.splitlines()) == 1
