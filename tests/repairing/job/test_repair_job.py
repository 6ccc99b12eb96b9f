"""The job of a repair: ONNX and weights in and out, gone on with after a kill, and nothing written where something is wrong."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from repair_toys import CLASSES, TARGET, clean_images, corner, linear, onnx_file
from safetensors.torch import load_file, save_file

from doldrum.confined import sending
from doldrum.data import ImageSet
from doldrum.errors import ClassifierError, InputError
from doldrum.opening.files import digest_of
from doldrum.pixels import digest_of_image, to_float
from doldrum.records.explanations import Explanation, ExplanationRecord, Explanations, Success
from doldrum.records.inspection import InspectionRecord
from doldrum.records.repair import RepairRecord
from doldrum.repairing.job import RepairSettings, run_repair
from doldrum.repairing.job import work as inside
from doldrum.report.repair.page import write_repair_page
from doldrum.training.state import RunState
from doldrum.triggers import MaskedPattern

CLEAN_SHA256 = ImageSet(clean_images(120).images).content_hash()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """bad.onnx, clean.npz with labels and bare.npz without; work is done in this process."""

    def here(function: str, argument: Any, *, limits: Any = None, on_message: Any = lambda message: None) -> Any:
        assert function == "doldrum.repairing.job.work:work"
        return json.loads(json.dumps(inside.work(json.loads(json.dumps(argument)), on_message), allow_nan=False))

    monkeypatch.setattr(sending, "run_confined", here)
    onnx_file(tmp_path / "bad.onnx", author="somebody")
    save(tmp_path / "clean.npz", clean_images(120))
    return tmp_path


def save(path: Path, images: Any) -> None:
    np.savez(path, images=images.images, **({} if images.labels is None else {"labels": images.labels}))


SEARCHED = tuple(digest_of_image(image) for image in to_float(clean_images(120).images[:60]))


def inspected(
    folder: Path, *, model: str = "bad.onnx", trigger: Any = None, word: str = "suspicious", images: str | None = None
) -> str:
    """The folder of an inspection that found the corner; its inspector is none that would look again."""
    place = folder / "report"
    place.mkdir()
    found = corner().trigger if trigger is None else trigger
    (place / "trigger.json").write_text(json.dumps(found.to_dict()))
    finding = {
        "inspector": "corner",
        "source": None,
        "target": TARGET,
        "score": 3.0,
        "p_value": None,
        "anomaly": 0.001,
        "smaller": None,
    }
    half = {"hits": 40, "n": 40, "value": 1.0, "lower": 0.9, "upper": 1.0}
    InspectionRecord(
        created="2026-01-01", doldrum="0", command="doldrum inspect", seed=4,
        model={
            "name": model, "sha256": digest_of(folder / model), "format": "onnx", "input_shape": [1, 6, 6], "num_classes": CLASSES,
            "class_names": None, "preprocessing": None, "notes": [],
        },
        clean={"source": "clean.npz", "images": 120, "sha256": images, "search": 60, "test": 60, "accuracy": None, "claimed": None},
        references=None, finding=finding, success=half, trigger={"kind": "masked-pattern", "factor": 1.0, "examples": []},
        inspectors=({"name": "corner", "title": "a corner", "needs": "gradients", "seconds": 1.0, "refused": "", "values": [[None, TARGET, -1.0, 3.0]], "band": None},),
        verdict={"word": word, "exit_code": 0 if word == "no sign" else 3, "heading": "", "sentences": [], "not_looked": []},
    ).save(place / "record.json")  # fmt: skip
    return str(place)


def explained(folder: Path, *, model: str = "bad.onnx", trigger: Any = None, **more: Any) -> str:
    """The folder of an explanation that proved the corner in the second of two images."""
    place = folder / "why"
    place.mkdir()
    (place / "trigger.json").write_text(json.dumps((corner().trigger if trigger is None else trigger).to_dict()))
    success = Success(hits=40, n=40, value=1.0, lower=0.9, upper=1.0)
    known = {"image": "b.png", "label": TARGET, "proven": True, "why": "", "success": success, "p_adjusted": 0.001}
    one = Explanation(**(known | {"searched": SEARCHED} | more))
    none = Explanation(image="a.png", label=0, proven=False, why="")
    ExplanationRecord(
        created="2026-01-01", doldrum="0", command="doldrum explain", model={"name": model, "sha256": digest_of(folder / model)}, clean="clean.npz",
        skipped=(), unlisted=0, remarks=(), explanations=Explanations(explained=(none, one), alpha=0.05, seed=9, clean=120, queries=1),
    ).save(place / "record.json")  # fmt: skip
    return str(place)


def settings(folder: Path, **more: Any) -> RepairSettings:
    known = {"model": "bad.onnx", "clean": "clean.npz", "repaired": "good.onnx", **more}
    paths = {name: str(folder / known.pop(name)) for name in ("model", "clean", "repaired")}
    return RepairSettings(**paths, out=str(folder / "good-report"), **known)


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
        with pytest.raises(FileExistsError, match="appeared meanwhile; move it away, and run the same command again"):
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
    with pytest.raises(InputError, match=r"The model's order seems to be: shirt, bag, boot; pass labels= with a file"):
        run_repair(settings(folder, clean="by class", method="fine-tune"), progress=False)
    assert not (folder / "good-report").exists()
    (folder / "labels.txt").write_text("shirt\nbag\nboot\n")
    named = settings(folder, clean="by class", method="fine-tune", labels=str(folder / "labels.txt"))
    assert run_repair(named, progress=False).accuracy["before"]["value"] == 1


@pytest.mark.parametrize("word", ["no sign", "suspicious"])
def test_a_model_without_a_sign_of_a_backdoor_may_need_no_repair(folder: Path, word: str) -> None:
    record = run_repair(settings(folder, inspection=inspected(folder, word=word)), progress=False)
    assert any("no sign" in one for one in record.verdict["sentences"]) == (word == "no sign")


def test_what_an_explanation_proved_is_unlearned_and_said_in_its_words(folder: Path) -> None:
    record = run_repair(settings(folder, explanation=explained(folder)), progress=False)
    assert (record.verdict["word"], record.method["name"], record.seed) == ("trigger gone", "unlearn", 0)
    assert record.recovered == {"inspector": None, "source": None, "target": TARGET}
    assert (record.success["before"]["value"], record.larger) == (1, None)
    text = " ".join(record.verdict["sentences"])
    assert (
        "The trigger that the explanation proved led 100.0% of the images held back to class 2 before the repair"
        in text
    )
    assert "inspect the repaired model" in text
    assert "nspection" not in text
    assert "--explanation" in record.command
    page = write_repair_page(folder / "good-report").read_text()
    assert "proven by the explanation, from any class to 2" in page
    assert "The search of the explanation did not use them either" in page
    assert "the search of the inspection" not in page


def test_a_claim_about_one_class_is_tested_on_images_of_it(folder: Path) -> None:
    record = run_repair(settings(folder, explanation=explained(folder, scope=1)), progress=False)
    assert record.recovered == {"inspector": None, "source": 1, "target": TARGET}
    assert any("held back that it answered with class 1 to class 2" in one for one in record.verdict["sentences"])
    assert record.success["before"]["n"] < 15


@pytest.mark.parametrize(
    ("seed", "images", "told"),
    [
        (None, CLEAN_SHA256, ""),
        (4, None, ""),
        (5, CLEAN_SHA256, "was made with another seed. So its search may have used"),
        (None, "a" * 64, "was made with other clean images. So"),
        (5, "a" * 64, "was made with other clean images and another seed. So"),
    ],
)
def test_a_search_on_other_images_or_by_another_seed_is_said(folder: Path, seed: Any, images: Any, told: str) -> None:
    said: list[str] = []
    asked = settings(folder, inspection=inspected(folder, images=images), seed=seed)
    record = run_repair(asked, progress=False, say=said.append)
    for where in (record.verdict["sentences"], said):
        found = [one for one in where if "inspection was made" in one.lower()]
        assert len(found) == bool(told)
        assert all(told in one for one in found)


@pytest.mark.parametrize("given", ["inspection", "explanation"])
def test_a_repair_does_not_go_on_with_another_trigger(
    folder: Path, given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = (inspected if given == "inspection" else explained)(folder)
    write, before = RunState.save, (Path(place) / "trigger.json").read_text()

    def cut(state: RunState, path: Any) -> None:
        write(state, path)
        raise KeyboardInterrupt

    with monkeypatch.context() as cutting:
        cutting.setattr(RunState, "save", cut)
        with pytest.raises(KeyboardInterrupt):
            run_repair(settings(folder, **{given: place}), progress=False)
    other = MaskedPattern(mask=corner().trigger.mask, pattern=0.9 * corner().trigger.pattern)
    for done in (False, True):
        (Path(place) / "trigger.json").write_text(json.dumps(other.to_dict()))
        with pytest.raises(
            InputError, match="got another trigger in the folder of its inspection or explanation; use the same"
        ):
            run_repair(settings(folder, **{given: place}), progress=False)
        assert (folder / "good.onnx").exists() == done
        (Path(place) / "trigger.json").write_text(before)
        assert run_repair(settings(folder, **{given: place}), progress=False).verdict["word"] == "trigger gone"


def test_own_labels_are_said_aloud(folder: Path) -> None:
    save(folder / "bare.npz", clean_images(120, labels=False))
    said: list[str] = []
    record = run_repair(
        settings(folder, clean="bare.npz", inspection=inspected(folder)), progress=False, say=said.append
    )
    assert "the model's own are used" in said[0]
    assert (record.clean["labels"], record.accuracy) == ("model", None)
    assert any("accuracy is not known" in text for text in record.verdict["sentences"])


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"repaired": "good.safetensors"}, r"a file \.onnx for a model as onnx"),
        ({"repaired": "good.txt"}, r"\.safetensors or \.onnx"),
        ({"repaired": "bad.onnx"}, "there already"),
        ({"method": "unlearn"}, "inspection= or explanation= for the method unlearn, .* inspect the model first"),
        ({"method": "magic"}, "method= among"),
        ({"inspection": "."}, "no record.json; doldrum inspect makes one"),
        ({"explanation": "."}, "no record.json; doldrum explain makes one"),
        ({"clean": "few.npz"}, "at least 40 clean images"),
        ({"clean": "one.npz"}, "class 1 alone"),
        ({"clean": "bare.npz", "method": "fine-tune"}, "labels with the clean images"),
        ({"clean": "odd.npz", "method": "fine-tune"}, "labels of the model's classes"),
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


def test_an_inspection_of_another_model_and_a_trigger_of_another_size_are_refused(folder: Path) -> None:
    net = linear()
    net[1].bias.data += 1
    onnx_file(folder / "other.onnx", net)
    place = inspected(folder, model="other.onnx")
    with pytest.raises(InputError, match="of another one; inspect"):
        settings(folder, inspection=place)
    small = MaskedPattern(mask=np.ones((4, 4)), pattern=np.ones((1, 4, 4)))
    (Path(place) / "trigger.json").write_text(json.dumps(small.to_dict()))
    with pytest.raises(InputError, match="of another size"):
        run_repair(settings(folder, model="other.onnx", inspection=place), progress=False)
    (Path(place) / "trigger.json").write_text('{"name": "nothing", "settings": {}}')
    with pytest.raises(InputError, match="trigger"):
        settings(folder, model="other.onnx", inspection=place)
    assert not (folder / "good.onnx").exists()
    assert not (folder / "good-report").exists()


def test_an_explanation_that_will_not_do_is_refused(folder: Path) -> None:
    place = Path(explained(folder))
    with pytest.raises(InputError, match="expected inspection= or explanation=, got both; give the one"):
        settings(folder, explanation=str(place), inspection=inspected(folder))
    (place / "explanation.json").write_text("{}")
    with pytest.raises(InputError, match="which is that of an explanation; give it as explanation="):
        settings(folder, inspection=str(place))
    (place / "explanation.json").rename(place / "inspection.json")
    with pytest.raises(InputError, match="which is that of an inspection; give it as inspection="):
        settings(folder, explanation=str(place))
    (place / "inspection.json").rename(place / "audit.json")
    with pytest.raises(InputError, match="which is that of an audit without one; doldrum explain makes one"):
        settings(folder, explanation=str(place))
    (place / "audit.json").rename(place / "explanation.json")
    (place / "trigger.json").rename(place / "another.json")
    with pytest.raises(InputError, match="got none; explain the images again"):
        settings(folder, explanation=str(place))
    (place / "trigger.json").write_text('{"name": "patch", "settings": {"size": {"array": "", "dtype": "f4"}}}')
    with pytest.raises(InputError, match="not made of arrays and numbers; explain the images again"):
        settings(folder, explanation=str(place))
    (place / "record.json").unlink()
    with pytest.raises(InputError, match="which is not finished; run its command again"):
        settings(folder, explanation=str(place))


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"proven": False}, "proved a trigger, got .*, which proved none"),
        (
            {"model": "other.onnx"},
            r"explanation of this model, got .*, which is of another one; explain images by bad\.onnx first",
        ),
        ({"trigger": MaskedPattern(mask=np.ones((4, 4)), pattern=np.ones((1, 4, 4)))}, "of another size"),
        ({"label": 7}, "between the model's 3 classes"),
        ({"scope": TARGET}, "a route to another class"),
    ],
)
def test_an_explanation_of_another_model_or_kind_is_refused(folder: Path, more: dict[str, Any], why: str) -> None:
    net = linear()
    net[1].bias.data += 1
    onnx_file(folder / "other.onnx", net)
    place = explained(folder, **more)
    with pytest.raises(InputError, match=why):
        run_repair(settings(folder, explanation=place), progress=False)
    assert not (folder / "good.onnx").exists()
    assert not (folder / "good-report").exists()


def test_the_folder_of_an_audit_has_its_explanations_inside(folder: Path) -> None:
    (folder / "audited").mkdir()
    Path(explained(folder)).rename(folder / "audited" / "explanations")
    with pytest.raises(InputError, match=r"got that of an audit; use the explanation in it: .*audited/explanations"):
        settings(folder, explanation=str(folder / "audited"))
    assert settings(folder, explanation=str(folder / "audited" / "explanations")).found.target == TARGET


def test_an_audits_folder_is_told_from_an_inspections(folder: Path) -> None:
    place = Path(inspected(folder))
    (folder / "audited").mkdir()
    place.rename(folder / "audited" / "inspection")
    with pytest.raises(InputError, match=r"got that of an audit; use the inspection in it: .*audited/inspection"):
        settings(folder, inspection=str(folder / "audited"))
    assert settings(folder, inspection=str(folder / "audited" / "inspection")).seed == 4


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
