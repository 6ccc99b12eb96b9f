"""Names of data sets: options and splits, and every wrong form."""

from __future__ import annotations

from pathlib import Path

import pytest

from doldrum.data import DATASETS, find_dataset, is_dataset
from doldrum.errors import InputError


def test_names_options_and_splits() -> None:
    found = find_dataset("textures,classes=400,size=64:train")
    assert (found.dataset.name, found.options, found.split) == ("textures", {"classes": 400, "size": 64}, "train")
    assert find_dataset("textures").options == {}
    assert find_dataset("textures").split is None
    assert find_dataset("textures").test_split == "test"
    assert find_dataset("tiny-imagenet").test_split == "val"


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("texture,size=32", r"expected a data set among .*, got 'texture'; did you mean 'textures'\?"),
        ("photos", "got 'photos'; see doldrum datasets"),
        (
            "textures,sizes=32",
            r"expected an option that textures has \(classes, size, crops\), got 'sizes=32'; did you mean 'size'\?",
        ),
        ("digits,size=8", r"expected an option that digits has \(none\), got 'size=8'"),
        ("textures,", "expected an option that textures has"),
        ("textures,size", "expected the option size of textures to be a whole number from 32 to 224, got ''"),
        ("textures,size=32.5", "a whole number from 32 to 224, got '32.5'; e.g. textures,size=32"),
        ("textures,size=-32", "got '-32'"),
        ("textures,size=1e2", "got '1e2'"),
        ("textures,size=９９", "expected the option size"),
        ("textures,size=64,size=64", "expected the option size of textures once"),
        (
            "textures,crops=9:train,size=64",
            "expected options before the split, got .*; write textures,crops=9,size=64:train",
        ),
        ("textures:trian,size=64", "expected a split among train, test for textures, got 'trian,size=64'"),
        ("textures:", "expected a split"),
    ],
)
def test_wrong_names(spec: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        find_dataset(spec)


def test_a_file_of_that_name_is_no_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert is_dataset("textures,size=64:test")
    (tmp_path / "digits").mkdir()
    assert not is_dataset("digits")
    assert not is_dataset("digits.npz")
    assert not is_dataset("x" * 5000)


@pytest.mark.parametrize("name", DATASETS)
def test_what_is_known_before_the_images_is_what_the_list_says(name: str) -> None:
    """Without the images: the description has the classes and the size, but where it names another set."""
    facts, told = find_dataset(name).facts, DATASETS[name].description
    assert name == "emoji-placed" or f"{facts.classes} classes" in told
    assert name == "emoji-placed" or f"{facts.input_shape[1]} x {facts.input_shape[2]}" in told
    assert facts.input_shape[0] == (1 if name in ("digits", "fashion-mnist") else 3)


def test_what_is_known_follows_the_options() -> None:
    facts = find_dataset("textures,classes=7,size=48,crops=3:train").facts
    assert (facts.classes, facts.input_shape) == (7, (3, 48, 48))
    assert facts.images == {"train": 21, "test": 350}
