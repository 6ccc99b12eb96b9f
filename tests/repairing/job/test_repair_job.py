"""The job of a repair: ONNX and weights in and out, gone on with after a kill, and nothing written where something is wrong."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from repair_folders import inspected, save, settings
from repair_toys import CLASSES, TARGET, clean_images, linear
from safetensors.torch import load_file, save_file

from doldrum.confined import sending
from doldrum.errors import ClassifierError, InputError
from doldrum.records.repair import RepairRecord
from doldrum.repairing.job import run_repair
from doldrum.report.repair.page import write_repair_page
from doldrum.training.state import RunState


def test_an_onnx_model_comes_back_with_other_weights_and_nothing_else(folder: Path) -> None:
    before = (folder / "bad.onnx").read_bytes()
    record = run_repair(settings(folder, inspection=inspected(folder)), progress=False)
    assert (folder / "bad.onnx").read_bytes() == before
    assert record.verdict["word"] == "trigger gone"
    assert (record.verdict["exit_code"], record.seed, record.method["name"]) == (0, 4, "unlearn")
    assert record.success["before"]["value"] == 1
    assert RepairRecord.load(folder / "good-report" / "record.json") == record
    assert not (folder / "good-report" / "work").exists()
    bad, good = (onnx.load(str(folder / name)) for name in ("bad.onnx", "good.onnx"))
    weights = [[onnx.numpy_helper.to_array(t) for t in one.graph.initializer] for one in (bad, good)]
    assert not np.array_equal(weights[0][0], weights[1][0])
    for one in (bad, good):
        del one.graph.initializer[:]
    assert bad == good
    page = write_repair_page(folder / "good-report").read_text()
    assert "The recovered trigger no longer works" in page
    assert "<script" not in page


def test_weights_come_back_by_their_names_and_types(folder: Path) -> None:
    from doldrum.networks import build

    torch.manual_seed(0)
    net = build("mlp", input_shape=(1, 6, 6), num_classes=CLASSES)
    tensors = {f"module.{name}": t.half() if name.endswith("2.weight") else t for name, t in net.state_dict().items()}
    tensors = {name: t.float().contiguous() for name, t in tensors.items()}
    save_file(tensors, folder / "bad.safetensors", metadata={"who": "somebody"})
    more = {
        "model": "bad.safetensors",
        "repaired": "good.safetensors",
        "arch": "mlp",
        "size": (6, 6),
        "channels": "grey",
    }
    record = run_repair(settings(folder, method="fine-tune", **more), progress=False)
    assert record.verdict["word"] == "no trigger to test"
    found = load_file(folder / "good.safetensors")
    assert {name: (t.shape, t.dtype) for name, t in found.items()} == {
        n: (t.shape, t.dtype) for n, t in tensors.items()
    }
    assert any(not torch.equal(found[name], tensors[name]) for name in tensors)
    assert record.accuracy["after"]["value"] > record.accuracy["before"]["value"]


def test_a_repair_that_was_killed_goes_on_and_one_that_is_done_is_given_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = settings(folder, inspection=inspected(folder))
    write, epochs = RunState.save, []

    def cut(state: RunState, path: Any) -> None:
        write(state, path)
        epochs.append(state.epoch)
        if len(epochs) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(RunState, "save", cut)
    with pytest.raises(KeyboardInterrupt):
        run_repair(asked, progress=False)
    assert not (folder / "good.onnx").exists()
    record = run_repair(asked, progress=False)
    assert epochs[:5] == [1, 2, 3, 4, 5]
    written = (folder / "good.onnx").read_bytes()
    said: list[str] = []
    assert run_repair(asked, progress=False, say=said.append) == record
    assert "already finished" in said[0]
    (folder / "good.onnx").write_bytes(b"another")
    with pytest.raises(InputError, match=r"as the repair in .* left it, got another file"):
        run_repair(asked, progress=False)
    (folder / "good.onnx").unlink()
    with pytest.raises(InputError, match=r"as the repair in .* left it, got nothing there"):
        run_repair(asked, progress=False)
    whole = run_repair(replace(asked, out=str(folder / "other")), progress=False)
    assert (folder / "good.onnx").read_bytes() == written
    assert whole.repaired == record.repaired


def test_a_kill_between_the_model_and_its_record_is_gone_on_from(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = settings(folder, method="fine-tune")

    def cut(self: RepairRecord, path: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as cutting:
        cutting.setattr(RepairRecord, "save", cut)
        with pytest.raises(KeyboardInterrupt):
            run_repair(asked, progress=False)
    made = (folder / "good.onnx").read_bytes()
    (folder / "good.onnx").write_bytes(b"somebody else's")
    with pytest.raises(InputError, match="which is there already"):
        run_repair(asked, progress=False)
    assert (folder / "good.onnx").read_bytes() == b"somebody else's"
    (folder / "good.onnx").write_bytes(made)
    assert run_repair(asked, progress=False).verdict["word"] == "no trigger to test"
    assert (folder / "good.onnx").read_bytes() == made


def test_a_file_that_appears_during_the_run_is_left_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, there = settings(folder, method="fine-tune"), sending.run_confined

    def meanwhile(*args: Any, **more: Any) -> Any:
        found = there(*args, **more)
        (folder / "good.onnx").write_bytes(b"mine")
        return found

    with monkeypatch.context() as appearing:
        appearing.setattr(sending, "run_confined", meanwhile)
        with pytest.raises(
            FileExistsError, match="appeared during the repair; move it away, and run the same command again"
        ):
            run_repair(asked, progress=False)
    assert (folder / "good.onnx").read_bytes() == b"mine"
    (folder / "good.onnx").unlink()
    assert run_repair(asked, progress=False).repaired["name"] == "good.onnx"


def test_folders_in_another_order_than_the_models_classes_are_refused_with_the_models_order(folder: Path) -> None:
    from PIL import Image

    images = clean_images(60)
    for i, (pixels, label) in enumerate(zip(images.images, images.labels, strict=True)):
        place = folder / "by class" / ("shirt", "bag", "boot")[label]  # in order of their names: bag, boot, shirt
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[0]).save(place / f"{i}.png")
    with pytest.raises(
        InputError, match=r"order of the classes seems to be: shirt, bag, boot; pass labels= with a file"
    ):
        run_repair(settings(folder, clean="by class", method="fine-tune"), progress=False)
    assert not (folder / "good-report").exists()
    (folder / "labels.txt").write_text("shirt\nbag\nboot\n")
    named = settings(folder, clean="by class", method="fine-tune", labels=str(folder / "labels.txt"))
    assert run_repair(named, progress=False).accuracy["before"]["value"] == 1


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("trigger.json", None, "[" * 200_000),
        ("trigger.json", None, '{"name": "patch", "settings": ' + '{"a": ' * 100_000),
        ("record.json", '"seed": 4', '"seed": ' + "9" * 5000),
        ("record.json", '"seed": 4', f'"seed": {2**70}'),
        ("record.json", '"source": null', f'"source": {TARGET}'),
        ("record.json", "-1.0, 3.0", "-1" + "0" * 400 + ", 3.0"),
    ],
)
def test_an_inspection_that_nobody_could_have_made_is_refused_at_once(
    folder: Path, name: str, old: str | None, new: str
) -> None:
    place = Path(inspected(folder))
    text = (place / name).read_text()
    assert old is None or old in text
    (place / name).write_text(new if old is None else text.replace(old, new, 1))
    with pytest.raises(InputError, match=r"^expected .*, got "):
        settings(folder, inspection=str(place))


@pytest.mark.parametrize(("word", "references"), [("no sign", 0), ("no sign", 19), ("suspicious", 0)])
def test_a_model_without_a_sign_of_a_backdoor_may_need_no_repair(folder: Path, word: str, references: int) -> None:
    asked = settings(folder, inspection=inspected(folder, word=word, references=references))
    assert asked.found is not None
    assert asked.found.cleared == (references > 0)
    sentences = " ".join(run_repair(asked, progress=False).verdict["sentences"])
    assert ("The inspection found no sign of a backdoor" in sentences) == (word == "no sign")
    assert ("had no reference models" in sentences) == (word == "no sign" and references == 0)


def test_own_labels_are_said_aloud(folder: Path) -> None:
    save(folder / "bare.npz", clean_images(120, labels=False))
    said: list[str] = []
    record = run_repair(
        settings(folder, clean="bare.npz", inspection=inspected(folder)), progress=False, say=said.append
    )
    assert "the labels that the model predicts are used" in said[0]
    assert (record.clean["labels"], record.accuracy) == ("model", None)
    assert any("accuracy is not known" in text for text in record.verdict["sentences"])


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"repaired": "good.safetensors"}, r"ends in \.onnx for a model in the format onnx"),
        ({"repaired": "good.txt"}, r"\.safetensors or \.onnx"),
        ({"repaired": "bad.onnx"}, "there already"),
        ({"method": "unlearn"}, "inspection= or explanation= for the method unlearn, .* inspect the model first"),
        ({"method": "magic"}, r"repair method as method= \("),
        ({"inspection": "."}, "no record.json; doldrum inspect makes one"),
        ({"explanation": "."}, "no record.json; doldrum explain makes one"),
        ({"clean": "few.npz"}, "at least 40 clean images"),
        ({"clean": "one.npz"}, "only images of class 1"),
        ({"clean": "bare.npz", "method": "fine-tune"}, "labels with the clean images"),
        ({"clean": "odd.npz", "method": "fine-tune"}, "labels that are the model's classes"),
    ],
)
def test_nothing_is_written_where_something_is_wrong(folder: Path, more: dict[str, Any], why: str) -> None:
    save(folder / "few.npz", clean_images(5))
    save(folder / "one.npz", clean_images(80, only=1))
    save(folder / "bare.npz", clean_images(80, labels=False))
    np.savez(folder / "odd.npz", images=clean_images(80).images, labels=np.arange(80) % 9)
    more = {name: str(folder) if value == "." else value for name, value in more.items()}
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises((InputError, ClassifierError), match=why):
        run_repair(settings(folder, **more), progress=False)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_model_that_is_code_is_refused(folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(linear()).save(str(folder / "code.pt"))
    with pytest.raises(InputError, match="ONNX or as weights"):
        run_repair(
            settings(folder, model="code.pt", trust_code=True, size=(6, 6), channels="grey", num_classes=3, method="fine-tune", repaired="a.safetensors"),
            progress=False,
        )  # fmt: skip
    assert not (folder / "a.safetensors").exists()


def test_a_model_at_an_address_is_refused(folder: Path) -> None:
    more = {"model": "http://localhost:1", "num_classes": 3, "size": (6, 6)}
    with pytest.raises(InputError, match="got an address"):
        replace(settings(folder), **more)
