"""run_inspection: verdicts with and without references, what is kept and used again, and what a hostile answer comes to."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from onnx_toys import TARGET, Second, clean_file, here, references, settings, toy_file

from doldrum.attacks import load_trigger
from doldrum.confined import sending
from doldrum.errors import ClassifierError, EndpointError, InputError, SandboxError
from doldrum.inspecting import references as examined
from doldrum.inspecting import run_inspection
from doldrum.records.inspection import InspectionRecord
from doldrum.triggers import Additive, Blended, LowFrequency, MaskedPattern, Sinusoid
from doldrum.triggers.displacement import Displacement


@pytest.fixture(autouse=True)
def _near(near):
    pass


def _beside_references(toys, tmp_path, name, **more):
    shutil.copytree(toys / "refs", tmp_path / "refs", dirs_exist_ok=True)
    asked = settings(
        toys / name, toys / "clean.npy", tmp_path / "out", references=str(tmp_path / "refs"), fpr=0.2, **more
    )
    return run_inspection(asked)


def test_a_backdoor_is_shown_beside_references(toys, tmp_path):
    record = _beside_references(toys, tmp_path, "bad.onnx")
    assert record.verdict["word"] == "backdoor shown"
    assert record.verdict["exit_code"] == 3
    assert record.finding["target"] == TARGET
    assert record.finding["p_value"] == pytest.approx(1 / 5)  # none of 4 stands out as far
    assert record.references["count"] == 4
    assert (record.clean["images"], record.clean["search"], record.clean["test"]) == (60, 30, 30)
    assert record == InspectionRecord.load(tmp_path / "out" / "record.json")
    # the trigger that was left works on the model, as the record says
    from doldrum.suspects import open_model

    trigger = load_trigger(json.loads((tmp_path / "out" / "trigger.json").read_text()))
    model = open_model(str(toys / "bad.onnx")).classifier
    images = np.load(toys / "clean.npy").astype(np.float32) / 255
    others = images[np.argmax(model(images), axis=1) != TARGET]
    assert (np.argmax(model(trigger(others)), axis=1) == TARGET).mean() == 1.0 == record.success["value"]
    assert record.success["n"] < len(others)
    shown = record.trigger["examples"]
    assert len(shown) == 8
    assert {one["after"] for one in shown} == {TARGET}
    assert len(list((tmp_path / "out" / "pictures").glob("*.png"))) == 2 + 2 * len(shown)
    assert not (tmp_path / "out" / "work").exists()


def test_a_clean_model_shows_no_sign_and_references_are_looked_at_once(toys, tmp_path, near):
    record = _beside_references(toys, tmp_path, "good.onnx")
    assert record.verdict["word"] == "no sign"
    assert record.verdict["exit_code"] == 0
    assert record.finding["p_value"] > 0.2
    assert near.asked == 5
    kept = list((tmp_path / "refs" / "examined").glob("*/*.json"))
    assert len(kept) == 4
    shutil.rmtree(tmp_path / "out")
    assert _beside_references(toys, tmp_path, "bad.onnx").verdict["exit_code"] == 3
    assert near.asked == 6  # the second model alone
    toy_file(tmp_path / "refs" / "r03.onnx", 500)  # another model in its place
    again = settings(
        toys / "bad.onnx", toys / "clean.npy", tmp_path / "new", references=str(tmp_path / "refs"), fpr=0.2
    )
    run_inspection(again)
    assert near.asked == 8
    assert run_inspection(again) == InspectionRecord.load(tmp_path / "new" / "record.json")
    assert near.asked == 8


@pytest.mark.parametrize("with_references", [False, True])
def test_labels_in_another_order_than_the_models_end_it_before_any_search(toys, tmp_path, near, with_references):
    images = np.load(toys / "clean.npy")
    np.savez(tmp_path / "clean.npz", images=images, labels=(np.arange(len(images)) + 1) % 3)
    shutil.copytree(toys / "refs", tmp_path / "refs")
    more = {"references": str(tmp_path / "refs"), "fpr": 0.2} if with_references else {}
    with pytest.raises(InputError, match=r"predicts 0% of the 60 labels, and 100% .*label 0 is the model's class 2, "):
        run_inspection(settings(toys / "good.onnx", tmp_path / "clean.npz", tmp_path / "out", **more))
    assert near.asked == 0
    assert not (tmp_path / "out").exists()
    np.savez(tmp_path / "clean.npz", images=images, labels=np.arange(len(images)) % 3)
    record = run_inspection(settings(toys / "good.onnx", tmp_path / "clean.npz", tmp_path / "out", **more))
    assert record.clean["accuracy"]["value"] == 1.0
    assert not any("order of" in text for text in record.verdict["sentences"])


def test_too_few_references_are_refused_before_any_work(toys, tmp_path, near):
    few = references(tmp_path / "few", 3)
    asked = settings(toys / "bad.onnx", toys / "clean.npy", tmp_path / "out", references=str(few))
    with pytest.raises(
        InputError,
        match=r"at least 19 reference models in references= to promise fpr=0.05, got 3 .*--count 19.*fpr=0.25",
    ):
        run_inspection(asked)
    assert near.asked == 0
    assert not (tmp_path / "out").exists()


def test_references_of_another_kind_are_refused(toys, tmp_path):
    other = tmp_path / "refs"
    other.mkdir()
    for i in range(4):
        toy_file(other / f"{i}.onnx", i, classes=4)
    with pytest.raises(InputError, match=r"3 classes, like the model, got .* 4 classes in"):
        run_inspection(
            settings(toys / "bad.onnx", toys / "clean.npy", tmp_path / "out", references=str(other), fpr=0.2)
        )


def test_the_model_among_its_references_is_refused(toys, tmp_path):
    shutil.copytree(toys / "refs", tmp_path / "refs")
    shutil.copy(toys / "good.onnx", tmp_path / "refs" / "mine.onnx")
    with pytest.raises(InputError, match="which is equal to the model itself; take one of the two out"):
        run_inspection(
            settings(
                toys / "good.onnx", toys / "clean.npy", tmp_path / "out", references=str(tmp_path / "refs"), fpr=0.2
            )
        )


def test_without_references_the_classes_are_compared_and_nothing_is_promised(tmp_path):
    clean = clean_file(tmp_path / "clean.npy", classes=6)
    record = run_inspection(
        settings(toy_file(tmp_path / "bad.onnx", 1, backdoor=True, classes=6), clean, tmp_path / "bad")
    )
    assert record.verdict["word"] == "suspicious"
    assert record.finding["target"] == TARGET
    assert record.finding["p_value"] is None
    assert record.finding["anomaly"] < 0.01
    assert "no false-alarm rate is promised" in " ".join(record.verdict["sentences"])
    good = run_inspection(settings(toy_file(tmp_path / "good.onnx", 1, classes=6), clean, tmp_path / "good"))
    assert good.verdict["exit_code"] == 0


def test_two_classes_without_references_come_to_no_conclusion(tmp_path):
    clean = clean_file(tmp_path / "clean.npy", classes=2)
    record = run_inspection(settings(toy_file(tmp_path / "m.onnx", 1, classes=2), clean, tmp_path / "out"))
    assert record.verdict["word"] == "no conclusion"
    assert record.verdict["exit_code"] == 0
    assert "This model has 2 classes, and this comparison needs at least 4" in record.verdict["sentences"][0]


@pytest.mark.parametrize(
    ("model", "clean", "told"),
    [
        ({"bias": 1e6}, {}, r"tells the clean images apart, got class 1 for 30 of 30"),
        ({"scale": 0.0}, {}, "a model that ignores its input"),
        ({"scale": 1e38}, {}, "NaN or infinit"),
        ({}, {"only": 1}, "give images of several classes"),
        ({}, {"count": 1}, "at least 20 clean images to inspect a model, got 1"),
    ],
    ids=["constant", "ignores its input", "NaN", "one class", "one image"],
)
def test_what_cannot_be_inspected_is_told_in_a_line(tmp_path, model, clean, told):
    file, images = toy_file(tmp_path / "m.onnx", 1, **model), clean_file(tmp_path / "clean.npy", **clean)
    with pytest.raises((ClassifierError, InputError), match=told) as error:
        run_inspection(settings(file, images, tmp_path / "out"))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out" / "inspection.json").exists()  # the corrected command may use the folder


def test_what_an_endpoint_that_stops_answering_leaves_is_gone_on_with(toys, tmp_path, near, monkeypatch):
    asked = settings(toys / "bad.onnx", toys / "clean.npy", tmp_path / "out", inspectors=("mask", "warp"))
    monkeypatch.setattr(Second, "ends", EndpointError("expected an answer within 30 s, got none"))
    with pytest.raises(EndpointError):
        run_inspection(asked)
    assert [path.name for path in (tmp_path / "out" / "work").glob("reading-*")] == ["reading-mask.json"]
    monkeypatch.setattr(Second, "ends", None)
    record = run_inspection(asked)
    assert (near.asked, Second.asked) == (1, 2)  # the finished inspector was not asked again
    whole = run_inspection(
        settings(toys / "bad.onnx", toys / "clean.npy", tmp_path / "whole", inspectors=("mask", "warp"))
    )
    assert record.finding == whole.finding
    assert record.success == whole.success


def test_an_interrupt_keeps_finished_references_and_inspectors(toys, tmp_path, near, monkeypatch):
    calls = []

    def some(function, argument, **more):
        calls.append(function)
        if len(calls) == 4:  # the first opens all references
            raise KeyboardInterrupt
        return here(function, argument, **more)

    monkeypatch.setattr(examined, "run_confined", some)
    with pytest.raises(KeyboardInterrupt):
        _beside_references(toys, tmp_path, "bad.onnx")
    assert near.asked == 3  # the model, then two references
    monkeypatch.setattr(examined, "run_confined", here)
    assert _beside_references(toys, tmp_path, "bad.onnx").verdict["exit_code"] == 3
    assert near.asked == 5  # each model once


def test_the_time_is_kept_and_what_was_not_reached_is_said(toys, tmp_path, monkeypatch):
    from doldrum.confined.scanning import budget

    now = [0.0]
    monkeypatch.setattr(budget, "clock", lambda: now[0])
    examine = Second.examine

    def slow(self, subject):
        now[0] += 100
        return examine(self, subject)

    monkeypatch.setattr(Second, "examine", slow)
    asked = settings(toys / "bad.onnx", toys / "clean.npy", tmp_path / "out", inspectors=("mask", "warp"), budget=50.0)
    record = run_inspection(asked)
    assert [one["refused"] != "" for one in record.inspectors] == [False, True]
    assert record.verdict["not_looked"][0] == "warp: the time given by --budget ran out before the inspector finished"


def test_a_model_that_no_inspector_can_look_into_is_an_error(toys, tmp_path, near, monkeypatch):
    monkeypatch.setattr(near, "needs", "gradients")
    monkeypatch.setattr(
        "doldrum.gradients.differentiable", lambda *a: (_ for _ in ()).throw(ClassifierError("it has none"))
    )
    with pytest.raises(ClassifierError, match=r"got one that none can examine \(mask needs gradients: it has none\)"):
        run_inspection(settings(toys / "bad.onnx", toys / "clean.npy", tmp_path / "out"))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda f: f.pop("model"),
        lambda f: f.update(verdict="all well"),
        lambda f: f["finding"].update(target=99),
        lambda f: f["success"].update(hits=1 << 20),
        lambda f: f["examination"]["readings"][0].update(inspector="<b>"),
        lambda f: f["examination"]["readings"][0]["values"].append([0, 1]),
        lambda f: f["examination"]["readings"][0]["values"].append([None, 77, 1.0]),
        lambda f: f["deviations"].append(["mask", None, 1, "9"]),
        lambda f: f.update(bands={"mask": [2.0, 1.0]}),
        lambda f: f["model"].update(input_shape=[1, 6, 7]),
    ],
    ids=["no model", "verdict", "class", "hits", "inspector", "route", "no such class", "text", "band", "shape"],
)
def test_facts_that_cannot_be_are_refused(toys, tmp_path, monkeypatch, spoil):
    def spoilt(function, argument, **more):
        facts = here(function, argument, **more)
        spoil(facts)
        return facts

    monkeypatch.setattr(sending, "run_confined", spoilt)
    with pytest.raises(SandboxError, match="facts of an inspection"):
        run_inspection(settings(toys / "bad.onnx", toys / "clean.npy", tmp_path / "out"))
    assert not (tmp_path / "out" / "record.json").exists()


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("trigger.json", lambda v: v.update(name="hidden-string")),
        ("trigger.json", lambda v: v["settings"].update(opacity=1e300)),
        ("trigger.json", lambda v: v["settings"].update(pattern=[[0.0] * 10])),
        ("pixels.json", lambda v: v.update(factor=-1)),
        ("pixels.json", lambda v: v["grey"].update(shape=[1, 5, 5])),
        ("pixels.json", lambda v: v["examples"][0].update(after=3)),
    ],
)
def test_triggers_and_pixels_that_cannot_be_are_refused(toys, tmp_path, monkeypatch, name, spoil):
    def spoilt(function, argument, **more):
        facts = here(function, argument, **more)
        path = tmp_path / "out" / "work" / name
        value = json.loads(path.read_text())
        spoil(value)
        path.write_text(json.dumps(value))
        return facts

    monkeypatch.setattr(sending, "run_confined", spoilt)
    with pytest.raises(SandboxError, match="facts of an inspection"):
        run_inspection(settings(toys / "bad.onnx", toys / "clean.npy", tmp_path / "out"))


def test_the_seed_is_zero_and_a_command_repeats_it(toys, tmp_path):
    record = run_inspection(settings(toys / "bad.onnx", toys / "clean.npy", tmp_path / "out"))
    assert record.seed == 0
    assert (
        record.command
        == f"doldrum inspect {toys}/bad.onnx --clean {toys}/clean.npy --inspectors mask --out {tmp_path}/out"
    )


@pytest.mark.parametrize(
    "trigger",
    [
        MaskedPattern(mask=np.eye(6), pattern=np.ones((1, 6, 6))),
        Additive(perturbation=np.ones((1, 6, 6)), amplitude=0.1),
        Blended(alpha=0.2, pattern=np.ones((1, 6, 6))),
        Displacement(field=np.ones((2, 6, 6))),
        LowFrequency(amplitude=0.1, perturbation_seed=2**31 - 1),
        Sinusoid(delta=0.1, frequency=2.0),
    ],
    ids=lambda one: one.name,
)
def test_every_trigger_that_an_inspector_may_find_is_taken(toys, tmp_path, near, monkeypatch, trigger):
    examine = near.examine
    monkeypatch.setattr(near, "examine", lambda self, subject: _with(examine(self, subject), trigger))
    record = run_inspection(settings(toys / "bad.onnx", toys / "clean.npy", tmp_path / "out"))
    assert record.trigger["kind"] == trigger.name
    assert load_trigger(json.loads((tmp_path / "out" / "trigger.json").read_text())) == trigger


def _with(reading, trigger):
    return replace(reading, triggers=dict.fromkeys(reading.triggers, trigger))


@pytest.mark.parametrize("classes", [4, 3])
def test_all_references_are_looked_at_before_any_search(toys, tmp_path, near, classes):
    """Those of another kind, and those that can't be opened: with their names, however hostile."""
    shutil.copytree(toys / "refs", tmp_path / "refs")
    (tmp_path / "refs" / "-<b>\n.onnx").write_bytes(b"no model")
    if classes == 4:
        (tmp_path / "refs" / "-<b>\n.onnx").unlink()
        toy_file(tmp_path / "refs" / "r01.onnx", 7, classes=4)
    told = {
        4: r"3 classes, like the model, got \(1, 6, 6\) and 4 classes in r01.onnx; take them out",
        3: r"can be opened, got 1 of 5 models that cannot be opened: -<b>\\n.onnx \(expected .*take these models out",
    }
    with pytest.raises(InputError, match=told[classes]) as error:
        run_inspection(
            settings(
                toys / "bad.onnx", toys / "clean.npy", tmp_path / "out", references=str(tmp_path / "refs"), fpr=0.2
            )
        )
    assert "\n" not in str(error.value)
    assert near.asked == 0
    assert not (tmp_path / "out" / "inspection.json").exists()


def test_where_the_folder_of_references_cannot_be_written_their_examinations_are_kept_in_out(toys, tmp_path, near):
    shutil.copytree(toys / "refs", tmp_path / "refs")
    (tmp_path / "refs" / "examined").write_text("in the way: as root, no folder is read-only")
    asked = settings(
        toys / "bad.onnx", toys / "clean.npy", tmp_path / "out", references=str(tmp_path / "refs"), fpr=0.2
    )
    record = run_inspection(asked)
    assert len(list((tmp_path / "out" / "examined").glob("*/r*.onnx.json"))) == 4
    assert sorted(p.name for p in (tmp_path / "refs").iterdir()) == ["examined", *(f"r{i:02d}.onnx" for i in range(4))]
    assert record.finding == _beside_references_elsewhere(toys, tmp_path).finding
    (tmp_path / "out" / "record.json").unlink()
    assert run_inspection(asked).finding == record.finding
    assert near.asked == 5 + 5 + 1  # the references were not looked at again


def _beside_references_elsewhere(toys, tmp_path):
    shutil.copytree(toys / "refs", tmp_path / "others" / "refs")
    asked = settings(
        toys / "bad.onnx",
        toys / "clean.npy",
        tmp_path / "others" / "out",
        references=str(tmp_path / "others" / "refs"),
        fpr=0.2,
    )
    return run_inspection(asked)


def test_hostile_names_of_references_and_clean_images_are_shown_as_text(toys, tmp_path):
    from PIL import Image

    from doldrum.report.inspection.page import write_inspection_page

    names = ["<img src=x onerror=alert(1)>.onnx", "a\nb.onnx", "-rf.onnx", "\u05e9\u202e.onnx"]
    (tmp_path / "refs").mkdir()
    for i, name in enumerate(names):
        toy_file(tmp_path / "refs" / name, 100 + i)
    (tmp_path / "cle<b>an").mkdir()
    for i, image in enumerate(np.load(toys / "clean.npy")):
        Image.fromarray(image[0]).save(tmp_path / "cle<b>an" / f"-{i}\n\u00fc<i>.png", format="PNG")
    (tmp_path / "cle<b>an" / "\u202e<script>.png").write_bytes(b"none")
    record = run_inspection(
        settings(
            toys / "bad.onnx",
            tmp_path / "cle<b>an",
            tmp_path / "out",
            references=str(tmp_path / "refs"),
            fpr=0.2,
        )
    )
    assert record.clean["images"] == 60
    assert record.references["count"] == 4
    text = write_inspection_page(tmp_path / "out").read_text(encoding="utf-8")
    assert "\\u202e&lt;script&gt;.png" in text  # what was skipped
    assert "cle&lt;b&gt;an" in text
    assert not any(piece in text for piece in ("\u202e", "<b>", "<i>", "<script", "<img src=x"))


def test_clean_images_that_were_resized_are_told_of_for_good(toys, tmp_path):
    images = np.load(toys / "clean.npy")
    np.save(tmp_path / "large.npy", images.repeat(2, axis=2).repeat(2, axis=3))
    record = run_inspection(settings(toys / "good.onnx", tmp_path / "large.npy", tmp_path / "out"))
    told = " ".join(record.verdict["sentences"])
    assert "Clean images: 60 of 60 images were fitted to 1 x 6 x 6" in told


@pytest.mark.parametrize("twin", ["bad.onnx", "r01.onnx"], ids=["the model", "a reference"])
def test_the_same_model_in_another_file_is_refused_by_name_before_any_search(toys, tmp_path, near, twin, monkeypatch):
    import onnx

    from doldrum.classifiers.adapters.onnx import OnnxClassifier

    def weights(self):  # as of files of torch; a true one of ONNX is of the bytes
        return hashlib.sha256(onnx.load(str(self.path)).graph.initializer[0].raw_data).hexdigest()

    monkeypatch.setattr(OnnxClassifier, "fingerprint", property(weights))
    shutil.copytree(toys / "refs", tmp_path / "refs")
    made = onnx.load(str(toys / twin if twin == "bad.onnx" else tmp_path / "refs" / twin))
    onnx.helper.set_model_props(made, {"seconds": "1.5"})  # other bytes, as the times that training takes are
    onnx.save(made, str(tmp_path / "refs" / "twin.onnx"))
    told = f"got twin.onnx, which is equal to {'the model itself' if twin == 'bad.onnx' else twin}; take one"
    refs, clean = str(tmp_path / "refs"), toys / "clean.npy"
    with pytest.raises(InputError, match=told):
        run_inspection(settings(toys / "bad.onnx", clean, tmp_path / "out", references=refs, fpr=0.2))
    assert near.asked == 0


@pytest.mark.parametrize(
    "spoil", [list.clear, lambda r: r[0].update(inspector="warp"), lambda r: r[0].update(values=[])]
)
def test_what_no_examination_leaves_is_examined_again(toys, tmp_path, near, spoil):
    whole = _beside_references(toys, tmp_path, "bad.onnx")
    kept = next((tmp_path / "refs" / "examined").glob("*/r02.onnx.json"))
    before = json.loads(kept.read_text())["examination"]["readings"][0]["values"]
    spoilt = json.loads(kept.read_text())
    spoil(spoilt["examination"]["readings"])
    kept.write_text(json.dumps(spoilt))
    shutil.rmtree(tmp_path / "out")
    assert near.asked == 5
    assert _beside_references(toys, tmp_path, "bad.onnx").finding == whole.finding
    assert near.asked == 5 + 2  # the model, and the one that was spoilt
    assert json.loads(kept.read_text())["examination"]["readings"][0]["values"] == before


def test_a_second_inspection_waits_for_the_first_and_uses_what_it_found(toys, tmp_path, near):
    """The first holds the folder and puts its examinations there; once it lets go, the second has none to make."""
    import threading

    from doldrum.inspecting.references import Shelf
    from doldrum.locks import locked

    shutil.copytree(toys / "refs", tmp_path / "refs")
    refs, clean = str(tmp_path / "refs"), toys / "clean.npy"
    _beside_references(toys, tmp_path / "other", "good.onnx")  # the same models and images: what the first will find
    found = next((tmp_path / "other" / "refs" / "examined").glob("*"))
    asked = settings(toys / "bad.onnx", clean, tmp_path / "out", references=refs, fpr=0.2)
    place, said, waits, records = Shelf.of(asked).place, [], threading.Event(), []

    def say(text):
        said.append(text)
        waits.set()

    with locked(place):
        second = threading.Thread(
            target=lambda: records.append(run_inspection(asked, progress=False, say=say)), daemon=True
        )
        second.start()
        assert waits.wait(20)
        for one in found.glob("*.json"):
            shutil.copy(one, place)
    second.join(20)
    assert said == ["another inspection is examining these reference models; waiting for its results"]
    assert records[0].verdict["exit_code"] == 3
    assert near.asked == 5 + 1  # the second's own model alone


def test_the_rate_that_is_offered_for_few_references_is_taken(toys, tmp_path):
    refs, clean = references(tmp_path / "two", 2), toys / "clean.npy"
    with pytest.raises(InputError, match=r"ask for fpr=0\.34,"):
        run_inspection(settings(toys / "bad.onnx", clean, tmp_path / "out", references=str(refs), fpr=0.33))
    record = run_inspection(settings(toys / "bad.onnx", clean, tmp_path / "out", references=str(refs), fpr=0.34))
    assert record.references["count"] == 2
