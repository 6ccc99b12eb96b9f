"""The verdict's words against its counts: heading, flags, discoveries and the class they gather in never contradict each other."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest

from doldrum.audit.counts import concentration
from doldrum.audit.verdict import promised
from doldrum.stats.conformal import benjamini_hochberg, flags_limit

MORE, NOT_MORE = "More images were flagged than", "No more images were flagged than"


def told(flags, found=None, scanned=500, names=None, **more):
    given = {"note": "", "doubts": [], "remarks": [], **more}
    return promised(flags, found, scanned=scanned, class_names=names, **given)


def counts(count, discoveries, limit=10):
    return {
        "count": count, "expected": 5.0, "limit": limit, "more_than_promised": count > limit,
        "discoveries": discoveries, "fdr": 0.1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("count", "discoveries"), list(itertools.product((0, 1, 2, 10, 11, 24, 60), (0, 1, 2, 24, 60)))
)
def test_heading_and_counts_say_the_same(count, discoveries):
    found = told(counts(count, discoveries))
    heading, text = found["heading"], " ".join(found["sentences"])
    assert heading.startswith(MORE if count > 10 else NOT_MORE)
    assert (found["exit_code"] == 3) == (count > 10 or discoveries > 0)
    assert ("more than chance explains" in heading) == (count <= 10 and discoveries > 0)
    assert ("found nothing suspicious in these images" in text) == (found["exit_code"] == 0)
    for number in re.findall(r"(\d+) flagged images? (?:is a discovery|are discoveries)", text):
        assert int(number) == discoveries <= count
    if discoveries > count:
        assert f"{discoveries} images, " in text
        assert (f"the {count} flagged among them" in text) if count else ("none of which is flagged" in text)
        assert "flagged images are discoveries" not in text
    if not discoveries:
        assert "discover" not in text


def test_a_set_of_discoveries_beyond_the_flags_is_told_as_such():
    """100 of 400 images are a little suspicious each: too little for a flag, too many together for chance."""
    p = np.concatenate([np.linspace(0.012, 0.02, 100), np.linspace(0.2, 1.0, 300)])
    flagged, found = p <= 0.01, benjamini_hochberg(p, fdr=0.1, num_calibration=500)
    assert not flagged.any()
    assert len(found) == 100
    limit = flags_limit(400, 500, 0.01)
    flags = {
        "count": 0, "expected": 4.0, "limit": limit, "more_than_promised": False, "discoveries": len(found), "fdr": 0.1,
    }  # fmt: skip
    said = told(flags, scanned=400)
    assert said["heading"].startswith(NOT_MORE)
    assert "100 images stand out more" in said["heading"]
    assert "none of which is flagged on its own" in " ".join(said["sentences"])


def gathered(labels, flags, more=True, names=None):
    flags = np.isin(np.arange(len(labels)), flags)
    found = concentration(labels, flags)
    count = int(flags.sum())
    given = counts(count, 0, limit=0 if more else count)
    return " ".join(told(given, found, scanned=len(labels), names=names)["sentences"])


LABELS = np.repeat(np.arange(10), 50)


@pytest.mark.parametrize(
    ("labels", "flags", "says"),
    [
        (LABELS, range(20), "A backdoor with this target class would look like this"),
        (LABELS, range(0, 500, 25), "flags do not concentrate on one class"),
        (LABELS, [0, 1], "flags are too few, or the class is too common"),
        (np.zeros(500, dtype=int), range(20), "Since all scanned images get this prediction, nothing can be said"),
        (np.r_[np.full(20, -1), LABELS], range(20), "do not show a target class"),
        (LABELS, [0, 100, 200], "No two of the 3 flagged images are predicted as the same class"),
    ],
)
def test_what_is_said_of_a_class_is_what_the_flags_can_show(labels, flags, says):
    text = gathered(labels, list(flags))
    assert says in text
    others = [
        "A backdoor with this target",
        "do not concentrate",
        "flags are too few",
        "Since all scanned images get",
        "do not show a target class",
    ]
    assert sum(other in text for other in others) == (0 if says.startswith("No two") else 1)


def test_one_flag_gathers_nowhere():
    assert "predicted" not in gathered(LABELS, [3])
    assert "this concentration says little" in gathered(LABELS, range(20), more=False)


def test_no_more_can_hide_than_were_scanned():
    text = " ".join(told({**counts(0, 0, limit=10), "expected": 0.02}, scanned=2)["sentences"])
    assert "Up to about 2 triggered images could go unnoticed" in text
    assert "fewer than 0.1 flags would be expected" in text
