from __future__ import annotations

import errno
import importlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import doldrum as dd
from doldrum.errors import InputError, WorkerError
from doldrum.files import write_whole
from doldrum.locks import locked
from doldrum.measuring import Measurement, StoredResponses, measure_to, read_manifest

PROBE = dd.probes.Gaussian([0.1, 0.3], draws=30, seed=1)


def cut_off(run: Measurement, folder, *, after: int) -> None:
    """Run until `after` shards are written, then die as a kill would have it: nothing is tidied."""

    class Killed(BaseException):
        pass

    def chunks(start=0):
        for i, chunk in enumerate(Measurement.chunks(run, start)):
            if i == after:
                raise Killed
            yield chunk

    run.chunks = chunks  # type: ignore[method-assign]
    with pytest.raises(Killed):
        measure_to(run, folder)
    (folder / "part-00099.parquet.123.part").write_bytes(b"half")


def test_a_run_that_was_cut_off_continues_and_gives_the_same(clf, images, tmp_path) -> None:
    whole = dd.measure(clf, images, PROBE)
    for after in (0, 1, 3):
        out = tmp_path / str(after)
        cut_off(Measurement(clf, images, PROBE, batch_size=6), out, after=after)
        kept = {p.name: p.stat().st_mtime_ns for p in out.glob("*.parquet")}
        assert len(kept) == after
        measure_to(Measurement(clf, images, PROBE, batch_size=6), out)
        back = dd.read_responses(out)
        assert np.array_equal(back.draws, whole.draws)
        assert back.ids == whole.ids
        assert back.info["complete"] is True
        assert all((out / name).stat().st_mtime_ns == at for name, at in kept.items())


def test_another_batch_size_may_continue_but_another_measurement_may_not(clf, images, tmp_path) -> None:
    out = tmp_path / "out"
    begun = Measurement(clf, images, PROBE, batch_size=6)
    cut_off(begun, out, after=1)
    another = (
        "onnxruntime" if begun.checked.name == "eager" else "eager"
    )  # timing decides, and a busy machine says either
    others = {
        r"got draws=40 \(it began with draws=30\), seed=2 \(it began with seed=1\); use the same": Measurement(
            clf, images, dd.probes.Gaussian([0.1, 0.3], draws=40, seed=2)
        ),
        r"got strengths=\(0.1\) \(it began with strengths=\(0.1, 0.3\)\)": Measurement(
            clf, images, dd.probes.Gaussian([0.1], draws=30, seed=1)
        ),
        r"got clip=True \(it began with no clip=\)": Measurement(
            clf, images, dd.probes.Gaussian([0.1, 0.3], draws=30, seed=1, clip=True)
        ),
        "got other images;": Measurement(clf, images[::-1].copy(), PROBE),
        f"engine='{another}": Measurement(clf, images, PROBE, engine=another),
        r"until_width=0.5 \(it began with no until_width=\)": Measurement(
            clf, images, PROBE, until=dd.until.Width(0.5)
        ),
    }
    for word, other in others.items():
        with pytest.raises(InputError, match=word):
            measure_to(other, out)
    with pytest.raises(InputError, match="level"):
        measure_to(Measurement(clf, images, PROBE), out, level=0.9)
    assert len(dd.read_responses(out)) == 6
    measure_to(Measurement(clf, images, PROBE, batch_size=4), out)
    assert np.array_equal(dd.read_responses(out).draws, dd.measure(clf, images, PROBE).draws)
    with pytest.raises(InputError, match="finished"):
        measure_to(Measurement(clf, images, PROBE), out)


def test_a_second_process_on_a_folder_is_refused(clf, images, tmp_path) -> None:
    out = tmp_path / "out"
    cut_off(Measurement(clf, images, PROBE, batch_size=6), out, after=1)
    code = "import sys, time; from doldrum.locks import locked\nwith locked(sys.argv[1]): print('held', flush=True); time.sleep(60)"
    other = subprocess.Popen([sys.executable, "-c", code, str(out)], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(InputError, match="one run at a time"):
            measure_to(Measurement(clf, images, PROBE), out)
    finally:
        other.send_signal(signal.SIGKILL)
        other.communicate()
    with locked(out):  # a killed process holds nothing
        pass


def test_a_full_disk_is_said_and_keeps_whole_shards(clf, images, tmp_path, monkeypatch) -> None:
    calls = []

    def full(path, write):
        def half(draft):
            calls.append(path)
            if len(calls) == 3:
                draft.write_bytes(b"half")
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            write(draft)

        return write_whole(path, half)

    monkeypatch.setattr("doldrum.measuring.shards.write_whole", full)
    with pytest.raises(OSError, match=r"No space left.*finished shards are kept"):
        measure_to(Measurement(clf, images, PROBE, batch_size=6), tmp_path / "out")
    assert len(dd.read_responses(tmp_path / "out")) == 12
    measure_to(Measurement(clf, images, PROBE, batch_size=6), tmp_path / "out")
    assert len(dd.read_responses(tmp_path / "out")) == 20


def sums(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), 16, 4).sum(axis=1)


def test_workers_give_the_labels_of_one_process(images, tmp_path) -> None:
    """Under a rule, where each input takes draws of its own (without one: below, after ten kills): of a function, whose workers need no torch."""
    model, until = dd.as_classifier(sums, input_shape=(1, 8, 8), num_classes=4), dd.until.Decided(0.3)
    measure_to(Measurement(model, images, PROBE, batch_size=6, until=until), tmp_path / "out", workers=2)
    back = dd.read_responses(tmp_path / "out")
    assert np.array_equal(back.draws, dd.measure(model, images, PROBE, until=until).draws)
    assert back.ids == tuple(str(i) for i in range(20))


def dies(x: np.ndarray) -> np.ndarray:
    if os.environ.get("DOLDRUM_THREADS") == "1":  # only workers have it
        os.kill(os.getpid(), signal.SIGKILL)
    return x.reshape(len(x), -1)[:, :3]


def test_a_worker_that_is_killed_is_said(images, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(importlib.import_module("doldrum.spread.spread"), "_TRIES", 1)
    clf = dd.as_classifier(dies, input_shape=(1, 8, 8), num_classes=3)
    with pytest.raises(WorkerError, match="run the same command again"):
        measure_to(Measurement(clf, images, PROBE, batch_size=6), tmp_path / "out", workers=2)
    assert read_manifest(tmp_path / "out")["complete"] is False


def test_a_classifier_that_cannot_be_sent_is_refused(images, tmp_path) -> None:
    clf = dd.as_classifier(lambda x: x.reshape(len(x), -1)[:, :3], input_shape=(1, 8, 8), num_classes=3)
    with pytest.raises(InputError, match="top of a module"):
        measure_to(Measurement(clf, images, PROBE), tmp_path / "out", workers=2)
    with pytest.raises(InputError, match="workers"):
        measure_to(Measurement(clf, images, PROBE), tmp_path / "other", workers=0)


def slow(x: np.ndarray) -> np.ndarray:
    time.sleep(0.002)
    return sums(x)


def test_ten_kills_at_random_moments_change_no_label(tmp_path) -> None:
    """Each run has another batch size; the last one, two workers."""
    stormy = tmp_path / "stormy"
    # A process of its own imports everything once, then forks ten runs and kills each at a random moment.
    script = f"""
import os, signal, time
import numpy as np
from doldrum.seeds import rng
from test_measuring_continue import PROBE, dd, measure_to, Measurement, slow
from pathlib import Path
images = np.random.default_rng(0).random((100, 1, 8, 8), dtype=np.float32)
clf = dd.as_classifier(slow, input_shape=(1, 8, 8), num_classes=4)
dd.measure(clf, images[:1], PROBE)
chance, out = rng(0, "kills"), Path({str(stormy)!r})
shards = lambda: len(list(out.glob("*.parquet")))
for turn in range(10):
    child, there = os.fork(), shards()
    if not child:
        measure_to(Measurement(clf, images, PROBE, batch_size=1 + turn % 2), out)
        os._exit(0)
    while shards() == there:  # however slow the machine is, some get further than others
        time.sleep(0.001)
    time.sleep(chance.uniform(0, 0.02))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""
    subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parent, check=True)
    assert len(dd.read_responses(stormy)) < 100
    images = np.random.default_rng(0).random((100, 1, 8, 8), dtype=np.float32)
    clf = dd.as_classifier(slow, input_shape=(1, 8, 8), num_classes=4)
    measure_to(Measurement(clf, images, PROBE, batch_size=5), stormy, workers=2)
    found, whole = dd.read_responses(stormy), dd.measure(clf, images, PROBE)
    assert np.array_equal(found.draws, whole.draws)
    assert np.array_equal(found.labels, whole.labels)
    assert found.ids == whole.ids


def test_mean_smoothness_of_shards_is_that_of_the_whole(clf, images, tmp_path) -> None:
    """Under a rule, so that inputs differ in how many draws they have; one shard is held at a time."""
    measure_to(Measurement(clf, images, PROBE, batch_size=6, until=dd.until.Decided(0.3)), tmp_path / "out")
    stored = StoredResponses(tmp_path / "out")
    assert [len(part) for part in stored] == [6, 6, 6, 2]
    whole = dd.mean_smoothness(dd.read_responses(tmp_path / "out"))
    for a, b in zip(dd.mean_smoothness(stored), whole, strict=True):
        assert np.allclose([a.value, a.lower, a.upper], [b.value, b.lower, b.upper], rtol=1e-12)


class Stream:
    """Images made as they are read; remembers how many were asked for at a time."""

    def __init__(self, n: int) -> None:
        self.shape, self.most = (n, 1, 8, 8), 0

    def __getitem__(self, at: slice) -> np.ndarray:
        self.most = max(self.most, at.stop - at.start)
        return np.stack([np.full((1, 8, 8), i % 251, dtype=np.uint8) for i in range(at.start, at.stop)])


def test_a_stream_is_read_a_batch_at_a_time(clf, tmp_path) -> None:
    stream, probe = Stream(40), dd.probes.Gaussian([0.2], draws=3)
    measure_to(Measurement(clf, stream, probe, batch_size=8), tmp_path / "out")
    assert stream.most == 8
    held = dd.measure(clf, stream[0:40], probe)
    assert np.array_equal(dd.read_responses(tmp_path / "out").draws, held.draws)
