"""A confined process that answers, one that doesn't, and one that tries to get out."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest

import doldrum
from doldrum.errors import ClassifierError, InputError, SandboxError
from doldrum.sandbox import Help, Limits, confinement, run_confined

sys.path.insert(0, str(Path(__file__).parent))  # the confined process imports from where this one does
HERE = "sandbox_canaries"
OUT = (
    "tcp",
    "tcp6",
    "unix socket",
    "program",
    "fork",
    "clone",
    "execve",
    "io_uring",
    "chmod",
    "kill parent",
    "limit parent",
    "raise limit",
)
ENFORCED = {key: value["enforced"] for key, value in confinement().items()}
filtered = pytest.mark.skipif(not ENFORCED["network"], reason="no seccomp filter here")
locked = pytest.mark.skipif(not ENFORCED["writes"], reason="no landlock here")
limited = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits on memory are Linux's")


def _argument(folder: Path, names: tuple[str, ...]) -> dict:
    theirs = folder / "theirs"
    theirs.mkdir(exist_ok=True)
    (theirs / "file").write_text("secret")
    (folder / "inside").mkdir(exist_ok=True)
    return {
        "names": list(names),
        "outside": str(folder / "outside"),
        "theirs": str(theirs / "file"),
        "inside": str(folder / "inside"),
    }


def test_answer_and_messages_come_back_in_order_and_prints_do_not_disturb():
    heard = []
    assert run_confined(f"{HERE}:messages", 3, on_message=heard.append) == "end"
    assert heard == [{"done": 0}, {"done": 1}, {"done": 2}]


@filtered
def test_no_network_no_programs_no_other_process(tmp_path):
    ends = run_confined(f"{HERE}:tries", _argument(tmp_path, OUT))
    refused = dict.fromkeys(OUT, "PermissionError")
    assert ends == refused | {"raise limit": "ValueError"}  # what Python makes of EPERM there


@filtered
def test_network_only_where_allowed(tmp_path):
    names = ("tcp", "program")
    ends = run_confined(f"{HERE}:tries", _argument(tmp_path, names), limits=Limits(network=True))
    assert ends["tcp"].startswith("did")
    assert ends["program"] == "PermissionError"


@locked
def test_writes_only_in_its_folders_and_reads_only_what_is_given(tmp_path):
    names = ("write outside", "write inside", "delete outside", "read", "parent's secrets", "signal itself", "thread")
    argument = _argument(tmp_path, names)
    inside = argument["inside"]
    free = run_confined(f"{HERE}:tries", argument, limits=Limits(write=[inside]))
    narrow = run_confined(f"{HERE}:tries", argument, limits=Limits(write=inside, read=[Path(__file__).parent]))
    assert free["read"] == "did secret"
    assert narrow["read"] == "PermissionError"
    for ends in (free, narrow):
        assert ends["write outside"] == ends["delete outside"] == ends["parent's secrets"] == "PermissionError"
        assert ends["write inside"] == "did 6"
        assert ends["signal itself"] == "did None"
        assert ends["thread"] == "did [1]"
    assert not (tmp_path / "outside").exists()
    assert (tmp_path / "theirs" / "file").read_text() == "secret"


def test_canaries_do_what_they_say_when_free(tmp_path):
    """Unconfined, each attempt succeeds: a refusal above is the confinement's."""
    import sandbox_canaries

    names = ("tcp", "tcp6", "unix socket", "program", "clone", "write outside", "chmod", "kill parent", "read")
    ends = sandbox_canaries.tries(_argument(tmp_path, names), None)
    assert [name for name, end in ends.items() if not end.startswith("did")] == []


def test_secrets_are_not_passed_on(monkeypatch):
    monkeypatch.setenv("SOME_API_TOKEN", "secret")
    monkeypatch.setenv("LD_PRELOAD_NOTE", "x")
    assert not {"SOME_API_TOKEN", "LD_PRELOAD_NOTE"} & set(run_confined(f"{HERE}:environment"))
    assert "SOME_API_TOKEN" in run_confined(f"{HERE}:environment", limits=Limits(environment=["SOME_API_TOKEN"]))


@pytest.mark.parametrize(
    ("function", "argument", "reason"),
    [
        pytest.param("allocate", 8 << 30, "memory", marks=limited),
        pytest.param("share_memory", 1 << 30, "memory", marks=limited),
        ("loop", None, "time"),
        ("sleep", None, "time"),
        ("flood", None, "output"),
        ("shout", None, "output"),
        ("garbage", "hello, this is no frame", "nonsense"),
        ("garbage", "v\xff\xff\xff\xff", "nonsense"),
        ("garbage", "v\0\0\0\2[[", "nonsense"),
        ("garbage", "v\0\0", "nonsense"),
        ("garbage", "e\0\0\0\2[]", "nonsense"),
        ("garbage", "", "died"),
        ("die", int(signal.SIGKILL), "died"),
        ("die", int(signal.SIGTERM), "died"),
        ("crash", None, "died"),
        ("leave", 7, "died"),
        ("fill", 8 << 20, "disk"),
        ("big", 2 << 20, "nonsense"),
        ("raises", "ValueError", "raised"),
        ("raises", "recursion", "raised"),
        ("raises", "set", "raised"),
        ("raises", "exit", "raised"),
        ("raises", "long", "raised"),
        ("no_such_function", None, "raised"),
    ],
)
def test_every_bad_end_has_a_reason_and_leaves_nothing_behind(function, argument, reason):
    # on a busy machine 3 seconds are over before any other bound is reached
    limits = Limits(
        memory=512 << 20, seconds=3 if reason == "time" else 60, disk=64 << 20, messages=1 << 20, reply=1 << 20
    )
    started, before = time.monotonic(), children()  # other tests may have left a browser running
    with pytest.raises(SandboxError, match=r"^expected .*, got ") as caught:
        run_confined(f"{HERE}:{function}", argument, limits=limits)
    assert caught.value.reason == reason
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 2500
    assert time.monotonic() - started < 8
    assert children() <= before  # not even a dead one


def children():
    """The processes whose parent is this one, dead ones that nobody waited for among them."""
    listed = list(Path(f"/proc/{os.getpid()}/task").glob("*/children"))
    assert listed
    found = set()
    for one in listed:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that ended since
            found |= {int(pid) for pid in one.read_text().split()}
    return found


def test_last_words_are_shown_as_text():
    with pytest.raises(SandboxError, match=r"with SIGTERM \(its last message: last words \\x1b\[31m\)"):
        run_confined(f"{HERE}:die", int(signal.SIGTERM))


def test_where_there_is_little_memory_that_is_said_too():
    with pytest.raises(
        SandboxError, match=r"do not trust the file\. The memory limit of 256 MiB is too small .*: raise memory=$"
    ):
        run_confined(f"{HERE}:die", int(signal.SIGTERM), limits=Limits(memory=256 << 20))


def test_it_runs_the_same_copy_of_the_package(tmp_path):
    """A checkout on PYTHONPATH beside an installed copy: both processes take the checkout's."""
    copy = tmp_path / "src"
    shutil.copytree(Path(doldrum.__file__).parent, copy / "doldrum", ignore=shutil.ignore_patterns("__pycache__"))
    code = f"from doldrum.sandbox import run_confined; print(run_confined('{HERE}:package'))"
    path = os.pathsep.join([str(copy), str(Path(__file__).parent)])
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}, check=True
    )
    assert run.stdout.strip() == str(copy / "doldrum" / "__init__.py")


def test_no_choice_of_an_engine_is_kept():
    """Kept in a folder that goes with the process, it would be timed again in each, and a repeated audit could differ."""
    assert run_confined(f"{HERE}:keep_engine") is None


def test_a_full_disk_is_no_fault_of_the_file():
    with pytest.raises(OSError, match=r"No space left on device: \\x1b\[31mrows") as caught:
        run_confined(f"{HERE}:raises", "full disk")
    assert caught.value.errno == errno.ENOSPC


@pytest.mark.parametrize("kind", [InputError, ClassifierError])
def test_our_own_errors_keep_their_class(kind):
    with pytest.raises(kind, match=r"expected a file, got \\x1b\[31mred; leave it out"):
        run_confined(f"{HERE}:raises", kind.__name__)


def test_what_on_message_raises_ends_the_process():
    def stop(message):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_confined(f"{HERE}:flood", on_message=stop)


@pytest.mark.parametrize("function", ["os.system", "a b:c", ":", "os:system:x", "os:", "../x:y"])
def test_function_has_to_be_a_name(function):
    with pytest.raises(InputError, match=r"package\.module:name"):
        run_confined(function)


def test_argument_has_to_be_json():
    with pytest.raises(InputError, match="JSON"):
        run_confined(f"{HERE}:big", {1, 2})


@pytest.mark.parametrize(
    "bad", [{"memory": 0}, {"seconds": float("nan")}, {"seconds": float("inf")}, {"write": ["/not/there"]}]
)
def test_limits_are_checked(bad):
    with pytest.raises(InputError, match="expected"):
        Limits(**bad)


def test_runtimes_work_inside_and_give_what_they_give_outside(tmp_path):
    import numpy as np
    import torch
    from small_nets import small_net

    path = tmp_path / "net.onnx"
    images = torch.linspace(0, 1, 128).reshape(2, 1, 8, 8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter that needs no further package is deprecated
        torch.onnx.export(small_net(), (images,), str(path), dynamo=False)
    limits = Limits(read=[tmp_path, Path(__file__).parent])
    given = run_confined(f"{HERE}:infer", str(path), limits=limits)
    with torch.inference_mode():
        expected = small_net()(images).numpy()
    for name in ("torch", "onnxruntime", "openvino"):
        np.testing.assert_allclose(given[name], expected, rtol=1e-4, atol=1e-4, err_msg=name)


def test_work_is_sent_out_and_answered_in_order_no_matter_who_is_ahead():
    """Pipes hold 64 KiB: requests, answers and messages are larger, so each side has to read while it writes."""
    told, seen = [], []

    def answers(requests):
        for value, data in requests:
            seen.append(value["n"])
            yield {"n": value["n"]}, data + data

    found = run_confined(
        f"{HERE}:asks", {"count": 40, "size": 100_000}, on_message=told.append, help=Help(answers, most=3)
    )
    assert found == [*([n, 200_000] for n in range(40)), 0]
    assert [one["done"] for one in told] == list(range(40))
    assert seen[:40] == list(range(40))
    assert len(seen) <= 40 + 3 + 1  # let go of after the first answer


def test_what_asking_or_answering_raises_ends_it():
    def broken(requests):
        for value, _ in requests:
            raise InputError(f"expected another request than {value['n']}")
        yield {}, b""

    with pytest.raises(InputError, match="another request than 0"):
        run_confined(f"{HERE}:asks", {"count": 4, "size": 10}, help=Help(broken, most=2))
    with pytest.raises(SandboxError, match="expected more to ask"):
        run_confined(f"{HERE}:asks", {"count": 4, "size": 10, "fails": 2}, help=Help(iter, most=2))
