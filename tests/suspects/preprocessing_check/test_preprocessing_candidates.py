import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from preprocessing_models import as_seen, material

from doldrum.suspects import Preprocessing
from doldrum.suspects.preprocessing_check.candidates import Candidate, emulated, flags_of, name_of, usual_candidates

PLAIN = Preprocessing(size=8)
GREY = Preprocessing(size=8, channels="grey")
CAFFE = Preprocessing(size=8, mean=(103.939, 116.779, 123.68), scale=255, channels="bgr")
IMAGENET = Preprocessing(size=8, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


@pytest.mark.parametrize("opened", [PLAIN, CAFFE, IMAGENET, GREY, Preprocessing(size=8, scale=255)])
def test_the_model_sees_what_it_would_have_seen(opened):
    images, _, _ = material(5, channels=opened.input_shape[0])
    candidates = usual_candidates(opened, resize="stretch")
    for candidate in candidates:
        through = as_seen(emulated(images, candidate, opened), opened)
        np.testing.assert_allclose(through, as_seen(images, candidate.preprocessing), rtol=1e-4, atol=2e-4)


def test_channels_last_is_the_same_values_in_the_other_order():
    images, _, _ = material(3)
    (wanted,) = (
        c for c in usual_candidates(PLAIN, resize="stretch", open_layout=True) if c.name == "[0, 1], RGB, channels last"
    )
    np.testing.assert_array_equal(
        emulated(images, wanted, PLAIN).reshape(3, -1), images.transpose(0, 2, 3, 1).reshape(3, -1)
    )


def test_the_usual_ones_are_all_there_and_apart():
    names = [c.name for c in usual_candidates(PLAIN, resize="stretch")]
    assert len(names) == len(set(names)) == 12
    assert names[0] == "[0, 1], RGB"
    assert {"[0, 255], BGR", "[-1, 1], RGB", "ImageNet mean and std, RGB", "0 to 255 minus ImageNet mean, BGR"} <= set(
        names
    )
    assert not any("channels last" in n for n in names)
    assert usual_candidates(GREY, resize="stretch")[0].name == "[0, 1]"


@pytest.mark.parametrize("opened", [CAFFE, IMAGENET])
def test_one_that_was_opened_is_not_tried_twice(opened):
    names = [c.name for c in usual_candidates(opened, resize="crop")]
    assert len(names) == len(set(names)) == 12
    assert names[0] == name_of(opened)
    # the values that Caffe's models have in other units are no other candidate
    same = Preprocessing(size=8, mean=tuple(m / 255 for m in CAFFE.mean), std=1 / 255, channels="bgr")
    assert name_of(same) == name_of(CAFFE) == "0 to 255 minus ImageNet mean, BGR"
    assert len(usual_candidates(same, resize="stretch")) == 12


def test_what_the_file_says_is_tried_before_the_usual_ones():
    said = Preprocessing(size=8, mean=0.3, std=0.1)
    names = [c.name for c in usual_candidates(PLAIN, resize="stretch", more=[("the file's metadata", said)])]
    assert names[:2] == ["[0, 1], RGB", "the file's metadata"]
    assert len(names) == 13


def test_a_model_that_takes_bytes_has_only_its_channels_tried():
    opened = Preprocessing(size=8, scale=255)
    names = [c.name for c in usual_candidates(opened, resize="stretch", fixed_range=True)]
    assert names == ["[0, 255], RGB", "[0, 255], BGR"]
    assert len(usual_candidates(GREY, resize="stretch", fixed_range=True)) == 1


@pytest.mark.parametrize(
    ("opened", "wanted", "flags"),
    [
        (PLAIN, PLAIN, ""),
        (PLAIN, IMAGENET, "--mean 0.485,0.456,0.406 --std 0.229,0.224,0.225"),
        (PLAIN, CAFFE, "--scale 255 --mean 103.939,116.779,123.68 --std 1 --channels bgr"),
        (CAFFE, PLAIN, "--scale 1 --mean 0 --std 1 --channels rgb"),
        (PLAIN, Preprocessing(size=8, channels="bgr"), "--channels bgr"),
    ],
)
def test_flags_name_what_differs(opened, wanted, flags):
    candidate = Candidate(name="", preprocessing=wanted, resize="stretch")
    assert flags_of(candidate, opened=opened, resize="stretch") == flags
    assert flags_of(candidate, opened=opened, resize="crop") == f"{flags} --resize stretch".strip()
