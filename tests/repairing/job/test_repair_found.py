"""The trigger that a repair is given, in the folder of an inspection or an explanation: what is said of it, and what is refused."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from repair_folders import explained, inspected, save, settings
from repair_toys import TARGET, clean_images, corner, linear, onnx_file

from doldrum.data import ImageSet
from doldrum.errors import InputError
from doldrum.records.repair import RepairRecord
from doldrum.repairing.job import run_repair
from doldrum.report.repair.page import write_repair_page
from doldrum.training.state import RunState
from doldrum.triggers import MaskedPattern

CLEAN_SHA256 = ImageSet(clean_images(120).images).content_hash()


def test_what_an_explanation_proved_is_unlearned_and_said_in_its_words(folder: Path) -> None:
    record = run_repair(settings(folder, explanation=explained(folder)), progress=False)
    assert (record.verdict["word"], record.method["name"], record.seed) == ("trigger gone", "unlearn", 0)
    assert record.recovered == {"inspector": None, "source": None, "target": TARGET}
    assert (record.success["before"]["value"], record.larger) == (1, None)
    text = " ".join(record.verdict["sentences"])
    assert (
        "With the trigger that the explanation proved, 100.0% of the held-back images were classified as class 2 before the repair"
        in text
    )
    assert "inspect the repaired model" in text
    assert "nspection" not in text
    assert "--explanation" in record.command
    page = write_repair_page(folder / "good-report").read_text()
    assert "proven by the explanation, from any class to 2" in page
    assert "The explanation's search for a trigger did not use the held-back images" in html.unescape(page)
    assert "the search of the inspection" not in page


def test_a_claim_about_one_class_is_tested_on_images_of_it(folder: Path) -> None:
    record = run_repair(settings(folder, explanation=explained(folder, scope=1)), progress=False)
    assert record.recovered == {"inspector": None, "source": 1, "target": TARGET}
    assert any(
        "held-back images that the model predicts as class 1 without the trigger were classified as class 2" in one
        for one in record.verdict["sentences"]
    )
    assert record.success["before"]["n"] < 15


def test_a_trigger_that_no_held_back_image_can_test_is_not_called_gone(folder: Path) -> None:
    images = clean_images(120)
    save(folder / "two.npz", images.take(np.flatnonzero(images.labels != 1)))
    asked = settings(folder, clean="two.npz", method="fine-tune", explanation=explained(folder, scope=1, searched=()))
    record = run_repair(asked, progress=False)
    assert (record.success, record.recovered["source"]) == (None, 1)
    assert (record.verdict["word"], record.verdict["exit_code"]) == ("not shown to be gone", 3)
    assert any(
        "none of the held-back images is of its source class. Give more clean images of the trigger's source class."
        in s
        for s in record.verdict["sentences"]
    )
    assert not any("too few held-back images to show" in one for one in record.verdict["sentences"])
    told = record.to_dict()
    for word, code in (("no trigger to test", 0), ("trigger gone", 0)):
        with pytest.raises(InputError, match="expected the verdict"):
            RepairRecord.from_dict({**told, "verdict": {**told["verdict"], "word": word, "exit_code": code}})


@pytest.mark.parametrize(
    ("seed", "images", "told"),
    [
        (None, CLEAN_SHA256, ""),
        (4, None, ""),
        (5, CLEAN_SHA256, "the inspection used another seed. So the inspection's search may have used"),
        (None, "a" * 64, "the inspection used other clean images. So"),
        (5, "a" * 64, "the inspection used other clean images and another seed. So"),
    ],
)
def test_a_search_on_other_images_or_by_another_seed_is_said(folder: Path, seed: Any, images: Any, told: str) -> None:
    said: list[str] = []
    asked = settings(folder, inspection=inspected(folder, images=images), seed=seed)
    record = run_repair(asked, progress=False, say=said.append)
    for where in (record.verdict["sentences"], said):
        found = [one for one in where if "the inspection used" in one.lower()]
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


def test_an_inspection_of_another_model_and_a_trigger_of_another_size_are_refused(folder: Path) -> None:
    net = linear()
    net[1].bias.data += 1
    onnx_file(folder / "other.onnx", net)
    place = inspected(folder, model="other.onnx")
    with pytest.raises(InputError, match="to another model; inspect"):
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
    with pytest.raises(InputError, match="which is the folder of an explanation; give this folder as explanation="):
        settings(folder, inspection=str(place))  # as in the folder of an audit
    (place / "explanation.json").write_text("{}")
    with pytest.raises(InputError, match="which is the folder of an explanation; give this folder as explanation="):
        settings(folder, inspection=str(place))
    (place / "explanation.json").rename(place / "inspection.json")
    with pytest.raises(InputError, match="which is the folder of an inspection; give this folder as inspection="):
        settings(folder, explanation=str(place))
    (place / "inspection.json").rename(place / "audit.json")
    with pytest.raises(InputError, match="which is the folder of an audit without one; doldrum explain makes one"):
        settings(folder, explanation=str(place))
    (place / "audit.json").rename(place / "explanation.json")
    (place / "trigger.json").rename(place / "another.json")
    with pytest.raises(InputError, match="got no such file; explain the images again"):
        settings(folder, explanation=str(place))
    (place / "trigger.json").write_text('{"name": "patch", "settings": {"size": {"array": "", "dtype": "f4"}}}')
    with pytest.raises(InputError, match="not made of arrays and numbers; explain the images again"):
        settings(folder, explanation=str(place))
    (place / "record.json").unlink()
    with pytest.raises(InputError, match="which belongs to a job that is not finished; run the job's command again"):
        settings(folder, explanation=str(place))


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"proven": False}, "proved a trigger, got .*, which proved no trigger"),
        (
            {"model": "other.onnx"},
            r"explanation of this model, got .*, which belongs to another model; explain images by bad\.onnx first",
        ),
        ({"trigger": MaskedPattern(mask=np.ones((4, 4)), pattern=np.ones((1, 4, 4)))}, "of another size"),
        ({"label": 7}, "between the model's 3 classes"),
        ({"scope": TARGET}, "a route from one class to another"),
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
    with pytest.raises(
        InputError, match=r"got the folder of an audit; use the explanation in this folder: .*audited/explanations"
    ):
        settings(folder, explanation=str(folder / "audited"))
    assert settings(folder, explanation=str(folder / "audited" / "explanations")).found.target == TARGET


def test_an_audits_folder_is_told_from_an_inspections(folder: Path) -> None:
    place = Path(inspected(folder))
    (folder / "audited").mkdir()
    place.rename(folder / "audited" / "inspection")
    with pytest.raises(
        InputError, match=r"got the folder of an audit; use the inspection in this folder: .*audited/inspection"
    ):
        settings(folder, inspection=str(folder / "audited"))
    assert settings(folder, inspection=str(folder / "audited" / "inspection")).seed == 4
