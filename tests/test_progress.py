"""What is shown while something takes its time: on a terminal only, and at once."""

from __future__ import annotations

import io
import sys

import pytest

from doldrum.progress import progress_bar, waiting


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_is_told_what_is_waited_for(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    with waiting("opening the model"):
        assert "opening the model" in terminal.getvalue()
        assert "0:00:0" in terminal.getvalue()
    with pytest.raises(KeyError), waiting("opening the model"):
        raise KeyError


@pytest.mark.parametrize(("stream", "show"), [(io.StringIO, True), (Terminal, False)])
def test_nobody_else_is(monkeypatch, stream, show):
    monkeypatch.setattr(sys, "stderr", stream())
    with waiting("opening the model", show=show):
        pass
    assert sys.stderr.getvalue() == ""


def test_a_notebook_has_a_bar_that_goes_at_the_end(monkeypatch):
    """IPython's own display, in a kernel that is pretended; the time is ours."""
    from IPython import display

    from doldrum import progress

    class Handle:
        def update(self, html):
            shown.append(html.data)

    def first(html, *, display_id):
        assert display_id is True
        shown.append(html.data)
        return Handle()

    shown: list[str] = []
    clock = iter([0.0, 0.1, 2.0, 2.1])
    monkeypatch.setattr(display, "display", first)
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr("IPython.get_ipython", lambda: type("Shell", (), {"kernel": object()})())
    with progress.progress_bar("<scanning>", 40) as advance:
        for _ in range(3):
            advance(10)
    begun, halfway, ended = shown  # 0.1 s after the last is too soon for another
    assert begun == '&lt;scanning&gt; <progress value="0" max="40"></progress> 0/40'
    assert halfway == '&lt;scanning&gt; <progress value="20" max="40"></progress> 20/40, 0:02 left'
    assert ended == ""
    shown.clear()
    clock = iter([0.0])
    with waiting("opening the model"):
        assert shown == ["opening the model <progress></progress>"]
    assert shown[-1] == ""
    shown.clear()
    with waiting("opening the model", show=False):
        pass
    assert shown == []


def test_the_command_says_it_while_a_model_is_opened_and_checked(call, monkeypatch, tmp_path):
    """Each step by its name, in order."""
    from contextlib import contextmanager

    import numpy as np
    import torch

    import doldrum as dd

    told = []

    @contextmanager
    def heard(what, *, show=True):
        told.append(what)
        yield

    @contextmanager
    def counted(what, total, *, show=True):
        told.append((what, total))
        yield lambda n: None

    monkeypatch.setattr("doldrum.cli.commands.attacks.progress_bar", counted)
    for place in ("cli.inputs", "cli.commands.measure"):
        monkeypatch.setattr(f"doldrum.{place}.waiting", heard)
    torch.manual_seed(0)
    data = dd.ImageSet(np.random.default_rng(0).random((300, 1, 8, 8), dtype=np.float32), labels=np.arange(300) % 4)
    model = dd.train(data, recipe="digits-mlp", seed=0, progress=False).save(tmp_path / "m.safetensors")
    np.savez(tmp_path / "x.npz", images=data.images, labels=data.labels)
    assert call("measure", model, tmp_path / "x.npz", "--draws", 2, "--limit", 5, "--out", tmp_path / "out")[0] == 0
    assert told == ["opening the model", "checking the model and its engines"]
    told.clear()
    assert call("evaluate", model, tmp_path / "x.npz")[0] == 0
    assert told == ["opening the model", ("evaluating", 300)]
    told.clear()
    code = call("calibrate", model, tmp_path / "x.npz", "--detector", "max-softmax", "--out", tmp_path / "g.doldrum")[0]
    assert code == 0
    assert told == ["opening the model"]  # the rest has a bar


def test_a_bar_inside_another_is_shown_below_it(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with progress_bar("study", 2) as cells:
        cells(1)
        with progress_bar("training", 5) as steps:
            steps(2)
    last = terminal.getvalue().rpartition("training")[0].rpartition("study")[2]
    assert "1/2" in last
    assert "\n" in last  # each has a line of its own
