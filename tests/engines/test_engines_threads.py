"""OpenVINO's threads: none calls into Python, and none is tied to a core that other processes are tied to as well."""

from __future__ import annotations

import sys
import threading
import types

import numpy as np
import pytest
import torch

import doldrum as dd
from doldrum.engines import build_engine, choose, precision
from doldrum.engines.precision import best_precision

pytest.importorskip("openvino")

_NET = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 4)).eval()


def test_answers_come_on_the_callers_thread_and_in_order() -> None:
    # A callback on OpenVINO's thread would want the interpreter's lock after its last answer too, when the interpreter may be gone.
    clf = dd.as_classifier(_NET, input_shape=(1, 8, 8), num_classes=4)
    images = np.random.default_rng(0).random((40, 1, 8, 8), dtype=np.float32)
    seen = []

    def fill(i):
        return lambda buffer: np.copyto(buffer, images[2 * i : 2 * i + 2])

    def sink(key, output):
        seen.append((key, threading.get_ident(), output.copy()))

    build_engine(clf, "openvino", "fp32", 2).run(((i, fill(i)) for i in range(20)), sink)
    assert [key for key, _, _ in seen] == list(range(20))
    assert {thread for _, thread, _ in seen} == {threading.get_ident()}
    np.testing.assert_allclose(np.concatenate([o for _, _, o in seen]), clf(images), rtol=1e-5, atol=1e-5)


def test_a_sink_that_raises_ends_the_run() -> None:
    clf = dd.as_classifier(_NET, input_shape=(1, 8, 8), num_classes=4)

    def sink(key, output):
        raise ValueError("no more room")

    with pytest.raises(ValueError, match="no more room"):
        build_engine(clf, "openvino", "fp32", 2).run(((i, lambda b: b.fill(0)) for i in range(20)), sink)


def test_threads_are_tied_to_no_core() -> None:
    # Tied, the threads of two workers shared the first core: two took as long as one (bench/scale.py workers: 1.0 times; 1.85 now).
    clf = dd.as_classifier(_NET, input_shape=(1, 8, 8), num_classes=4)
    engine = build_engine(clf, "openvino", "fp32", 2)
    assert engine.compiled.get_property("ENABLE_CPU_PINNING") is False  # pyright: ignore[reportAttributeAccessIssue]


def test_without_torch_the_best_precision_is_fp32(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(precision, "_CPUS", tmp_path / "none")
    monkeypatch.setitem(sys.modules, "torch", None)
    assert best_precision() == "fp32"


@pytest.mark.parametrize(
    ("flags", "best"), [("avx512_bf16 avx2", "fp32"), ("avx2 amx_bf16 amx_tile", "bf16"), (None, "bf16")]
)
def test_torch_is_asked_where_the_processor_may_have_amx(monkeypatch, tmp_path, flags, best) -> None:
    """A torch that says yes: asked, or not imported at all."""
    monkeypatch.setattr(precision, "_CPUS", tmp_path / "cpuinfo")
    if flags is not None:
        (tmp_path / "cpuinfo").write_text(f"model name : any\nflags : {flags}\n")
    yes = types.SimpleNamespace(cpu=types.SimpleNamespace(_is_amx_tile_supported=lambda: True))
    monkeypatch.setitem(sys.modules, "torch", yes)
    assert best_precision() == best


@pytest.mark.parametrize(
    ("flags", "worth"),
    [
        ("avx2 avx512f", ["fp32"]),
        ("avx512_bf16 avx2", ["fp32", "bf16"]),
        ("avx512_bf16 amx_bf16 amx_tile", ["bf16", "fp32"]),
    ],
)
def test_bf16_without_amx_is_timed_and_not_guessed(monkeypatch, tmp_path, flags, worth) -> None:
    """It is half as fast as fp32 on one maker's processors, and twice as fast on another's."""
    monkeypatch.setattr(precision, "_CPUS", tmp_path / "cpuinfo")
    (tmp_path / "cpuinfo").write_text(f"flags : {flags}\n")
    yes = types.SimpleNamespace(cpu=types.SimpleNamespace(_is_amx_tile_supported=lambda: True))
    monkeypatch.setitem(sys.modules, "torch", yes)
    assert precision.precisions() == worth
    clf = types.SimpleNamespace(module=None)
    openvino = [p for name, p in choose.candidates(clf) if name == "openvino"]  # pyright: ignore[reportArgumentType]
    assert openvino == worth


def test_where_the_processor_says_nothing_bf16_is_not_timed(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(precision, "_CPUS", tmp_path / "none")
    monkeypatch.setitem(sys.modules, "torch", None)
    assert precision.precisions() == ["fp32"]
