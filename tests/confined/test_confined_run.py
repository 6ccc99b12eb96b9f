"""A job that confined has never heard of: its own settings, words and record, the shared folder, sending and checks."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from types import SimpleNamespace
from typing import ClassVar

import pytest

from doldrum.confined import folder, sending
from doldrum.confined.facts import whole
from doldrum.confined.job import OPENING, Job
from doldrum.confined.run import run_job
from doldrum.confined.settings import JobSettings
from doldrum.errors import InputError, SandboxError

COUNTING = Job(name="counting", function="somewhere:work", record="count.json", stages=OPENING | {"count": "counting"})


@dataclass(frozen=True, kw_only=True)
class CountingSettings(JobSettings):
    SOURCES: ClassVar[tuple[str, ...]] = ("images",)

    images: str
    least: int = 0


def write(settings, facts, begun):
    count = whole(facts["count"], least=settings.least)
    (begun.out / COUNTING.record).write_text(json.dumps(count))
    return count


def read(path):
    return json.loads(path.read_text())


@pytest.fixture
def asked(tmp_path):
    for name in ("model.onnx", "images.npy", "names.txt"):
        (tmp_path / name).write_text(name)
    told = {name: str(tmp_path / file) for name, file in (("model", "model.onnx"), ("images", "images.npy"))}
    return CountingSettings(**told, labels=str(tmp_path / "names.txt"), out=str(tmp_path / "out"), seed=7)


@pytest.fixture
def inside(monkeypatch):
    """What the confined process is sent; its answer is what `answer` gives."""
    told = SimpleNamespace(seen=[], answer=lambda on_message, argument: {"count": 3})

    def run_confined(function, argument, *, limits, on_message):
        told.seen.append((function, argument, limits))
        return told.answer(on_message, argument)

    monkeypatch.setattr(sending, "run_confined", run_confined)
    return told


def go(settings, **more):
    return run_job(COUNTING, settings, write=write, read=read, progress=False, **more)


def test_it_is_sent_its_settings_and_done_once(asked, inside, tmp_path):
    assert go(asked) == 3
    ((function, argument, limits),) = inside.seen
    assert function == "somewhere:work"
    assert argument == {"settings": asked.to_dict(), "work": str(tmp_path / "out" / "work"), "seed": 7}
    files = {str(tmp_path / name) for name in ("model.onnx", "images.npy", "names.txt")}
    assert {str(path) for path in limits.read} == files
    assert [str(path) for path in limits.write] == [str(tmp_path / "out" / "work")]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["count.json", "counting.json"]
    said = []
    assert go(dataclasses.replace(asked, memory=1.0), say=said.append) == 3  # may differ
    assert said == [f"the counting in {tmp_path / 'out'} is already finished; nothing was done"]
    assert len(inside.seen) == 1
    with pytest.raises(
        InputError, match=r"the counting in .* began, got least=1 \(it began with (no )?least=.*\); use the same"
    ):
        go(dataclasses.replace(asked, least=1))
    with pytest.raises(InputError, match=r"or the folder of this other, got .* which holds something else"):
        run_job(dataclasses.replace(COUNTING, name="other"), asked, write=write, read=read, progress=False)


def test_a_run_that_was_killed_before_its_first_file_was_whole_is_no_hindrance(asked, inside, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "counting.json.4711.part").write_text("{")
    assert go(asked) == 3
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["count.json", "counting.json"]


def test_settings_may_be_sent_otherwise_than_they_were_given(asked, inside, tmp_path):
    def send_as(settings, place):
        (place / "copy.npy").write_text("copy")
        return settings.to_dict() | {"images": str(place / "copy.npy")}

    go(asked, send_as=send_as)
    (_, argument, limits) = inside.seen[0]
    assert argument["settings"]["images"] == str(tmp_path / "out" / "work" / "copy.npy")
    assert argument["settings"]["images"] in map(str, limits.read)
    assert str(tmp_path / "images.npy") not in map(str, limits.read)


@pytest.mark.parametrize("ends", [InputError("expected other images"), KeyboardInterrupt("Ctrl-C")], ids=repr)
@pytest.mark.parametrize("kept", [None, "rows-0-5.jsonl", "round-0/detector.doldrum"])
def test_a_refusal_or_interrupt_leaves_no_folder_unless_something_was_scanned(asked, inside, tmp_path, kept, ends):
    def refuse(on_message, argument):
        if kept is not None:
            file = tmp_path / "out" / "work" / kept
            file.parent.mkdir(exist_ok=True)
            file.write_text("")
        raise ends

    inside.answer = refuse
    with pytest.raises(type(ends), match=str(ends)):
        go(asked)
    assert (tmp_path / "out").exists() == (kept is not None)
    assert folder.holds_work(tmp_path / "out") == (kept is not None)


@pytest.mark.parametrize("facts", [{}, {"count": "3"}, {"count": -1}, {"count": [3]}, {"count": 1e9}])
def test_facts_that_cannot_be_are_an_error_and_no_record(asked, inside, tmp_path, facts):
    inside.answer = lambda on_message, argument: facts
    with pytest.raises(
        SandboxError, match="expected the facts of a counting from the confined process, got facts that cannot be read"
    ):
        go(asked)
    assert not (tmp_path / "out" / "count.json").exists()


def test_only_its_own_stages_are_shown_and_what_is_said_is_visible(asked, inside, monkeypatch):
    shown, said = [], []
    bar = sending.progress_bar
    monkeypatch.setattr(sending, "progress_bar", lambda words, *a, **k: (shown.append(words), bar(words, *a, **k))[1])

    def tell(on_message, argument):
        for message in (
            {"stage": "model"}, {"stage": "\x1b[31mfit", "total": 3}, {"stage": "fit"}, {"stage": ["count"]}, [1],
            {"stage": "count", "total": "many"}, {"done": 1}, {"done": -5}, {"done": "1"}, {"say": "\x1b[31mred"}, {"say": 3},
        ):  # fmt: skip
            on_message(message)
        return {"count": 3}

    inside.answer = tell
    go(asked, say=said.append)
    assert shown == ["opening the model", "counting"]
    assert said == ["\\x1b[31mred"]
