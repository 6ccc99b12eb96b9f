"""doldrum explain, end to end: a stranger's model and images, in a confined process; cut off, it goes on; what comes back is checked."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import numpy as np
import pytest
from audit_material import make
from labels_server import labels_server
from PIL import Image

from doldrum.confined import sending
from doldrum.confined.folder import holds_work
from doldrum.confined.trigger import read_trigger
from doldrum.errors import ClassifierError, EndpointError, InputError, SandboxError
from doldrum.explanations.job import ExplanationSettings, run_explanation
from doldrum.explanations.job.work import work
from doldrum.explanations.kept import Kept
from doldrum.records.explanations import ExplanationRecord
from doldrum.report.explanations.page import write_explanations_page
from doldrum.training import load_checkpoint
from doldrum.triggers import MaskedPattern


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    return make(tmp_path_factory.mktemp("victim"))


@pytest.fixture
def asked(material, tmp_path):
    """Settings as a function of more settings: three triggered images, two as files, and 800 clean ones."""
    bad = material.triggered(slice(900, 912))[:3]
    np.save(tmp_path / "bad.npy", bad[:1])
    for i in (1, 2):
        Image.fromarray(bad[i, 0]).save(tmp_path / f"{i}<b>.png")
    np.save(tmp_path / "clean.npy", material.images[:800])
    paths = (tmp_path / "bad.npy", tmp_path / "1<b>.png", tmp_path / "2<b>.png")

    def settings(**more):
        return ExplanationSettings(
            **{"model": str(material.model), "images": paths, "clean": tmp_path / "clean.npy", "out": str(tmp_path / "out"), "seed": 1}
            | more
        )  # fmt: skip

    return settings


def here(function, argument, *, limits=None, on_message=lambda message: None):
    """run_confined without the confinement."""
    assert function == "doldrum.explanations.job.work:work"
    tell = lambda message: on_message(json.loads(json.dumps(message)))  # noqa: E731
    return json.loads(json.dumps(work(json.loads(json.dumps(argument)), tell), allow_nan=False))


@pytest.fixture
def near(monkeypatch):
    monkeypatch.setattr(sending, "run_confined", here)


def test_a_patch_is_proven_and_the_page_shows_it(asked, tmp_path, near):
    record = run_explanation(asked(), progress=False)
    found = record.explanations
    assert [one.image for one in found.explained][1:] == ["1<b>.png", "2<b>.png"]
    assert found.proven == 3
    assert {one.kind for one in found.explained} == {"region"}
    assert record == ExplanationRecord.load(tmp_path / "out" / "record.json")
    assert not (tmp_path / "out" / "work").exists()
    assert run_explanation(asked(), progress=False) == record  # nothing is done again
    pictures = {p.name for p in (tmp_path / "out" / "pictures").iterdir()}
    assert {"000-image.png", "001-found.png", "002-with-control-5.png"} <= pictures
    text = write_explanations_page(tmp_path / "out").read_text()
    assert "A trigger is proven in 3 of 3 images" in text
    assert "1&lt;b&gt;.png" in text
    assert "1<b>.png" not in text
    assert text.count("data:image/png;base64,") == 3 * (4 + 3 * 6)
    assert "--seed 1" in text
    assert all(one.trigger is None and len(one.searched) == 72 for one in found.explained)
    trigger, where = read_trigger(tmp_path / "out" / "trigger.json"), {k: int(v) for k, v in found.best.where.items()}
    rows = slice(where["top"], where["top"] + where["height"]), slice(where["left"], where["left"] + where["width"])
    assert [int(trigger.mask.sum()), int(trigger.mask[rows].sum())] == [where["height"] * where["width"]] * 2
    told = f"trigger.json contains the trigger that was found in {found.best.image.replace('<', '&lt;').replace('>', '&gt;')}. Of the 3 proven triggers, this trigger changes the prediction of the most held-back images"
    assert told in text


def test_cut_off_it_goes_on_with_finished_searches(asked, tmp_path, monkeypatch):
    calls = []

    def killed(function, argument, *, limits=None, on_message=lambda message: None):
        def tell(message):
            on_message(message)
            if "done" in message and (tmp_path / "out" / "work" / "found.jsonl").exists():
                calls.append(message)
                if len(calls) == 8:
                    raise KeyboardInterrupt

        return json.loads(json.dumps(work(json.loads(json.dumps(argument)), tell)))

    monkeypatch.setattr(sending, "run_confined", killed)
    with pytest.raises(KeyboardInterrupt):
        run_explanation(asked(), progress=False)
    assert holds_work(tmp_path / "out")
    before = (tmp_path / "out" / "work" / "found.jsonl").read_text()
    seen = []

    def going_on(function, argument, *, limits=None, on_message=lambda message: None):
        found = here(function, argument, on_message=on_message)
        seen.append((tmp_path / "out" / "work" / "found.jsonl").read_text())
        return found

    monkeypatch.setattr(sending, "run_confined", going_on)
    record = run_explanation(asked(), progress=False)
    assert seen[0].startswith(before)
    monkeypatch.setattr(sending, "run_confined", here)
    other = run_explanation(asked(out=str(tmp_path / "other")), progress=False)
    assert other.explanations == record.explanations


def test_confined_it_finds_the_same(asked, tmp_path, near, monkeypatch, call):
    record = run_explanation(asked(), progress=False)
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    words = ("--clean", tmp_path / "clean.npy", "--seed", "1", "--json")
    code, told, error = call("explain", asked().model, *asked().images, *words)
    assert code == 3, error
    assert told["explanations"] == json.loads(json.dumps(record.explanations.to_dict()))
    assert "out" not in told


def test_where_nothing_is_proven_there_is_no_trigger(asked, material, tmp_path, near):
    np.save(tmp_path / "plain.npy", material.images[900:901])
    record = run_explanation(asked(images=(tmp_path / "plain.npy",)), progress=False)
    assert record.explanations.proven == 0
    assert not (tmp_path / "out" / "trigger.json").exists()
    assert "trigger.json" not in write_explanations_page(tmp_path / "out").read_text()


@pytest.mark.parametrize("left", [None, "{}", '{"name": "patch", "settings": {"size": 99}}', "small"])
def test_a_trigger_that_cannot_be_is_refused(asked, tmp_path, monkeypatch, answered, left):
    def spoilt(function, argument, *, limits=None, on_message=lambda message: None):
        small = MaskedPattern(mask=np.ones((4, 4)), pattern=np.ones((1, 4, 4)))
        if left is not None:
            text = json.dumps(small.to_dict()) if left == "small" else left
            (tmp_path / "out" / "work" / "trigger.json").write_text(text)
        return json.loads(answered)

    monkeypatch.setattr(sending, "run_confined", spoilt)
    with pytest.raises(SandboxError, match="trigger"):
        run_explanation(asked(), progress=False)
    assert not (tmp_path / "out" / "record.json").exists()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda found: found["explanations"]["explained"][0].update(label=99),
        lambda found: found["explanations"]["explained"][0].update(proven="yes"),
        lambda found: found["explanations"]["explained"][0].update(where={"top": "<script>"}),
        lambda found: found["explanations"]["explained"][0].update(labels={"clean": [0], "found": [], "control": [0]}),
        lambda found: found["explanations"].update(queries=-1),
        lambda found: found["explanations"]["explained"][0].update(trigger={"name": "patch", "settings": {}}),
        lambda found: found["explanations"]["explained"][0].update(searched=["<script>"]),
        lambda found: found["model"].update(input_shape=[1, 8]),
    ],
)
def test_facts_that_cannot_be_are_refused(asked, monkeypatch, spoil, answered):
    def spoilt(function, argument, *, limits=None, on_message=lambda message: None):
        found = json.loads(answered)
        spoil(found)
        return found

    monkeypatch.setattr(sending, "run_confined", spoilt)
    with pytest.raises((SandboxError, InputError)):
        run_explanation(asked(), progress=False)


@pytest.fixture(scope="module")
def answered(material, tmp_path_factory):
    """What the confined process answers for one image, as JSON."""
    folder = tmp_path_factory.mktemp("answered")
    np.save(folder / "bad.npy", material.triggered(slice(900, 912))[:1])
    np.save(folder / "clean.npy", material.images[:800])
    settings = ExplanationSettings(
        model=str(material.model), images=(str(folder / "bad.npy"),), clean=str(folder / "clean.npy"), out=str(folder / "out")
    )  # fmt: skip
    (folder / "work").mkdir()
    job = {"settings": json.loads(json.dumps(settings.to_dict())), "work": str(folder / "work"), "seed": 1}
    return json.dumps(work(job, lambda message: None))


@pytest.mark.parametrize(
    ("more", "match"),
    [
        ({"images": ()}, "images= as several paths"),
        ({"images": ("nowhere.png",)}, "nowhere.png, which is not"),
        ({"queries": 0}, "queries="),
        ({"alpha": 1.0}, "alpha="),
    ],
)
def test_settings_are_checked(asked, more, match):
    with pytest.raises(InputError, match=match):
        asked(**more)


def test_too_few_clean_images_are_a_clear_line(asked, tmp_path, near):
    np.save(tmp_path / "clean.npy", np.zeros((1, 1, 8, 8), np.uint8))
    with pytest.raises(InputError, match="at least 60 clean images, got 1"):
        run_explanation(asked(), progress=False)
    assert not (tmp_path / "out" / "explanation.json").exists()


@pytest.fixture
def server(material):
    model = load_checkpoint(material.model)
    with labels_server(lambda images: model(images).argmax(1)) as made:
        yield made


def test_an_endpoint_that_stops_answering_is_gone_on_with_and_its_bound_holds_over_both_runs(
    asked, server, tmp_path, near
):
    more = {
        "model": server.address, "size": (8, 8), "channels": "grey", "num_classes": 10, "outputs": "labels", "endpoint_batch": 512,
        "endpoint_body": "npy", "endpoint_retries": 0, "queries": 60_000,
    }  # fmt: skip
    server.left = 40
    with pytest.raises(EndpointError, match="expected an answer within 1 try, got 503"):
        run_explanation(asked(**more), progress=False)
    assert holds_work(tmp_path / "out")
    server.left = 1000
    found = run_explanation(asked(**more), progress=False).explanations
    assert found.proven == 3
    assert found.queries <= 60_000
    assert found.queries <= server.images  # what was asked for nothing is what was cut off, no finished search
    assert server.images <= found.queries + 4000


def test_an_endpoints_queries_are_looked_at_before_any_search_and_kept_to(asked, material, server, tmp_path, near):
    plain = tmp_path / "plain.npy"
    np.save(plain, material.images[900:912])  # of many classes: one after another is explained
    more = {
        "images": (*asked().images, str(plain)),
        "model": server.address, "size": (8, 8), "channels": "grey", "num_classes": 10, "outputs": "labels", "endpoint_batch": 512,
        "endpoint_body": "npy",
    }  # fmt: skip
    least, opened = 14_000 + 800 + 15, 2  # images that are sent when it is opened
    told = rf"endpoint_queries= with room for {least:,} more images \(815 for .*, got room for {least - 1:,}; raise"
    with pytest.raises(InputError, match=told):
        run_explanation(asked(**more, endpoint_queries=opened + least - 1), progress=False)
    assert server.images == opened
    assert not (tmp_path / "out" / "explanation.json").exists()
    server.images = 0
    record = run_explanation(asked(**more, endpoint_queries=opened + least), progress=False)
    assert server.images <= opened + least
    assert any(
        "(--endpoint-queries) were used up. These images were not reached" in note for note in record.explanations.notes
    )
    assert "--endpoint-queries) were used up" in write_explanations_page(tmp_path / "out").read_text()


def test_an_endpoint_that_answers_a_web_page_is_a_line_with_advice(asked, server, near):
    server.page = b"<html>Sign in</html>"
    more = {"model": server.address, "size": (8, 8), "channels": "grey", "num_classes": 10, "endpoint_body": "npy"}
    with pytest.raises(ClassifierError, match=r"got a web page .*; check the address, outputs= and num_classes="):
        run_explanation(asked(**more), progress=False)


def test_hostile_names_and_resized_images_are_on_the_page_as_text(asked, material, tmp_path, near):
    folder = tmp_path / "in<b>ox"
    folder.mkdir()
    bad = material.triggered(slice(900, 912))[:3]
    for name, pixels in zip(
        ["-rf\n.png", "\u05e9\u202e\u00fc.png", "<img src=x onerror=alert(1)>.png"], bad, strict=True
    ):
        Image.fromarray(pixels[0].repeat(2, axis=0).repeat(2, axis=1)).save(folder / name, format="PNG")
    (folder / "<script>\x1b[31m.png").write_bytes(b"none")
    record = run_explanation(asked(images=(str(folder),), queries=15_000), progress=False)
    assert len(record.explanations.explained) == 3
    assert any("Flagged images: 3 of 3 images were fitted to 1 x 8 x 8" in remark for remark in record.remarks)
    text = write_explanations_page(tmp_path / "out").read_text(encoding="utf-8")
    assert "-rf\\n.png" in text
    assert "\u05e9\\u202e\u00fc.png" in text
    assert "&lt;img src=x onerror=alert(1)&gt;.png" in text
    assert "&lt;script&gt;\\x1b[31m.png</bdi> was skipped" in text
    assert "Flagged images: 3 of 3 images were fitted" in text
    assert not any(piece in text for piece in ("\u202e", "\x1b", "<b>", "<script", "<img src=x"))


def test_clean_images_may_be_a_split_by_name(asked, tmp_path, near):
    record = run_explanation(asked(clean="digits:test", queries=15_000), progress=False)
    assert record.clean == "digits:test"
    assert record.explanations.clean > 200
    assert "--clean digits:test" in record.command
    with pytest.raises(InputError, match="expected IMAGE as a file or folder that exists, got digits:test"):
        asked(images=("digits:test",))
    with pytest.raises(InputError, match="got another IMAGE; use the same settings"):
        run_explanation(asked(clean="digits:test", queries=15_000, images=asked().images[:1]), progress=False)


@pytest.mark.skipif(sys.platform != "linux", reason="the confinement is Linux's")
def test_killed_it_goes_on_with_what_was_found(asked, tmp_path, near):
    settings = asked()
    command = [
        sys.executable,
        "-m",
        "doldrum",
        "explain",
        settings.model,
        *map(str, settings.images),
        "--clean",
        str(settings.clean),
    ]
    first = subprocess.Popen(
        [*command, "--seed", "1", "--out", str(tmp_path / "out")], stderr=subprocess.PIPE, text=True
    )
    kept = tmp_path / "out" / "work" / "found.jsonl"
    while not (kept.exists() and kept.read_bytes().count(b"\n") > 6) and first.poll() is None:
        time.sleep(0.01)
    first.kill()
    _, said = first.communicate(timeout=60)
    assert first.returncode == -9, said
    before = kept.read_bytes().rpartition(b"\n")[0]
    known = {json.loads(line)[0] for line in before.splitlines()}
    made = []
    keep = Kept._write
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Kept, "_write", lambda self, line: made.append(line[0]) or keep(self, line))
        record = run_explanation(settings, progress=False)
    assert made
    assert not known & set(made)  # nothing is searched twice
    assert record.explanations.proven == 3
