"""Images and clean images that won't do: named, with what to do, before anything is measured and nothing is left behind."""

from __future__ import annotations

import numpy as np
import pytest
from audit_material import settings

from doldrum.audit import AuditSettings, run_audit, work
from doldrum.errors import InputError


@pytest.fixture(autouse=True)
def _near(near):
    pass


@pytest.fixture
def read(monkeypatch):
    """What was read, in order."""
    order, whole = [], work.read_material

    def heard(path, what, *args):
        order.append(what)
        return whole(path, what, *args)

    monkeypatch.setattr(work, "read_material", heard)
    monkeypatch.setattr(work.detecting, "promised", None)  # nothing is fitted
    monkeypatch.setattr(work.detecting, "ranked", None)
    return order


def empty(folder):
    folder.mkdir()


def text(folder):
    folder.mkdir()
    (folder / "a.txt").write_text("hello")


BAD = {
    "bare": (empty, r"got an empty source; check the path"),
    "text": (text, r"got only skipped files \(1\); the first: a\.txt: expected an image"),
    "none.npy": (lambda p: np.save(p, np.zeros((0, 1, 8, 8), np.uint8)), r"at least one image, got none: shape \(0, "),
    "flat.npy": (lambda p: np.save(p, np.zeros((300, 8), np.uint8)), r"\(N, H, W\), got shape \(300, 8\); reshape"),
    "colour.npy": (
        lambda p: np.save(p, np.random.default_rng(0).integers(0, 255, (300, 3, 8, 8), dtype=np.uint8)),
        r"got only skipped files \(300\); the first: 000000: expected a grey image",
    ),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("what", ["clean", "images"])
def test_it_says_which_images_and_why(material, tmp_path, read, name, what):
    make, why = BAD[name]
    good = settings(material, tmp_path, material.images[:300], material.images[300:400], fpr=0.05)
    make(tmp_path / name)
    asked = AuditSettings(**{**vars(good), what: str(tmp_path / name)})
    with pytest.raises(InputError, match=why) as caught:
        run_audit(asked)
    assert str(caught.value).startswith(f"--{what} {tmp_path / name}: expected ")
    assert str(caught.value).count(name) == 1
    assert read == (["clean"] if what == "clean" else ["clean", "images"])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("clean", "why"),
    [
        (
            slice(0, 40),
            r"at least 69 clean images for fpr=0\.05 .*, got 40; add clean images \(with fewer than 51 .*, or leave out clean=",
        ),
        ([3] * 300, r"clean images that differ, got copies: .* remove them"),
    ],
)
def test_clean_images_that_will_not_do_end_it_before_the_suspects_are_read(material, tmp_path, read, clean, why):
    with pytest.raises(InputError, match=why):
        run_audit(settings(material, tmp_path, material.images[clean], material.images[300:400], fpr=0.05))
    assert read == ["clean"]
    assert not (tmp_path / "out").exists()


def test_clean_files_that_are_left_out_are_told(material, tmp_path, monkeypatch):
    from PIL import Image

    asked = settings(material, tmp_path, None, material.images[300:360], fpr=0.05, budget=5.0)
    (tmp_path / "clean").mkdir()
    for i in range(120):
        Image.fromarray(material.images[i, 0]).save(tmp_path / "clean" / f"{i}.png")
    (tmp_path / "clean" / "notes.txt").write_text("hello")
    record = run_audit(AuditSettings(**{**vars(asked), "clean": str(tmp_path / "clean")}))
    told = [s for s in record.verdict["sentences"] if "files given as clean" in s]
    assert len(told) == 1
    assert told[0].startswith("1 of the 121 files given as clean was skipped, notes.txt: expected an image")
    assert record.images["skipped"] == []


def test_labels_in_another_order_than_the_models_are_refused(material, tmp_path, read):
    asked = settings(material, tmp_path, material.images[:300], material.images[300:320], fpr=0.05)
    np.savez(tmp_path / "clean.npz", images=material.images[:300], labels=(material.labels[:300] + 1) % 10)
    with pytest.raises(
        InputError, match=r"expected labels in the model's order of classes.* label 0 is the model's class 9, "
    ):
        run_audit(AuditSettings(**{**vars(asked), "clean": str(tmp_path / "clean.npz")}))
    assert not (tmp_path / "out").exists()


def test_clean_images_may_be_a_split_which_the_confined_process_gets_as_a_file(material, tmp_path, monkeypatch):
    from doldrum.confined import sending
    from doldrum.data import load_dataset

    sent = []

    def heard(function, asked, **more):
        with np.load(asked["settings"]["clean"]) as file:
            sent.append((file["images"], file["labels"]))
        raise InputError("enough")

    monkeypatch.setattr(sending, "run_confined", heard)
    asked = settings(material, tmp_path, material.images[:1], material.images[300:320], fpr=0.05)
    with pytest.raises(InputError, match="enough"):
        run_audit(AuditSettings(**{**vars(asked), "clean": "digits:test"}))
    digits = load_dataset("digits:test")
    assert (sent[0][0] == digits.images).all()
    assert (sent[0][1] == digits.labels).all()
    with pytest.raises(InputError, match="images= as a file or folder that exists"):
        AuditSettings(**{**vars(asked), "images": "digits:test"})
