"""Every hostile model gets its message, in a confined process with little memory; none runs code."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("openvino")
pytest.importorskip("skops")
pytest.importorskip("transformers")
sys.path.insert(0, str(Path(__file__).parent))  # the confined process imports from where this one does

from hostile_models import Canary, make_all, plain_onnx

from doldrum.sandbox import Limits, run_confined


def test_hostile_files_get_their_message_and_run_nothing(tmp_path):
    (tmp_path / "files").mkdir()
    canary = tmp_path / "canary"
    specimens = make_all(tmp_path / "files", canary)
    good = tmp_path / "good.onnx"
    good.write_bytes(plain_onnx().SerializeToString())
    jobs = [[s.path, s.settings] for s in specimens] + [[str(good), {}]]
    ends = []
    # the canary's folder may be written to: only not running the code keeps it from being made
    limits = Limits(memory=3 << 30, seconds=240, write=[tmp_path])
    assert run_confined("suspects_worker:open_each", jobs, limits=limits, on_message=ends.append) == len(jobs)
    assert ends[-1][:2] == ["opened", "onnx"]
    wrong = []
    for specimen, (kind, text, seconds) in zip(specimens, ends, strict=False):
        name = Path(specimen.path).name
        fine = kind in ("InputError", "ClassifierError") and text.startswith("expected ") and specimen.words in text
        if not specimen.words:  # how it ends is the runtime's affair; that it ends is ours
            fine = kind in ("InputError", "ClassifierError", "MemoryError", "opened")
        if not (fine and text.isprintable() and len(text) < 1200 and seconds < 60):
            wrong.append(f"{name}: wanted {specimen.words!r}, got {kind} {text[:400]!r} in {seconds:.1f} s")
    assert not wrong, "\n".join(wrong)
    assert len(specimens) >= 40
    assert not canary.exists()


def test_openvino_reads_its_own_format_and_tflite_in_a_confined_process(tmp_path):
    """Libraries that start threads and write files of their own; weights beside the model are read there too."""
    import io

    import onnx
    import openvino as ov
    from model_forms import onnx_forms
    from tflite_file import tflite

    model = onnx_forms()["plain"].model
    ov.save_model(ov.Core().read_model(io.BytesIO(model.SerializeToString())), tmp_path / "a.xml")
    (tmp_path / "b").write_bytes(tflite())
    onnx.save(model, tmp_path / "c", save_as_external_data=True, location="w.bin", size_threshold=0)
    ends = []
    limits = Limits(memory=3 << 30, seconds=240, write=[], read=[tmp_path])
    jobs = [[str(tmp_path / name), {}] for name in ("a.xml", "b", "c")]
    run_confined("suspects_worker:open_each", jobs, limits=limits, on_message=ends.append)
    assert [end[:2] for end in ends] == [["opened", "openvino"], ["opened", "tflite"], ["opened", "onnx"]]


def test_the_canaries_would_sing(tmp_path):
    """The pickles do run code when they are loaded: their refusal above is what kept them quiet."""
    import pickle

    canary = tmp_path / "canary"
    for protocol in (0, 2, 4):
        pickle.loads(pickle.dumps(Canary(str(canary)), protocol))
        assert canary.is_dir()
        canary.rmdir()
