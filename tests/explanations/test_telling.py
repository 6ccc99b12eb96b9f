"""What an explanation says of a claim about one class, and of a search that came to nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from doldrum.explanations.compare import Choice
from doldrum.explanations.telling import unproven_why, why
from doldrum.records.explanations import Explanation, Success

PROVEN = Explanation(
    image="a.png", label=1, proven=True, why="", kind="region", size="3 x 3 pixels", scope=4,
    where={"top": 0, "left": 0, "height": 3, "width": 3}, success=Success(18, 20, 0.9, 0.68, 0.99),
    control=Success(1, 20, 0.05, 0.0, 0.25), controls=19, p_value=0.001, p_adjusted=0.001, rank=0.05,
)  # fmt: skip


def test_a_claim_about_one_class_says_that_there_may_be_more():
    one = why(PROVEN, alpha=0.05)
    assert "held-back clean images of class 4" in one
    assert one.endswith("gave the clearest proof. The trigger may also work on images of other classes.")
    assert "gave the clearest proof" not in why(replace(PROVEN, scope=None), alpha=0.05)
    assert "gave the clearest proof" not in why(replace(PROVEN, proven=False), alpha=0.05)


@pytest.mark.parametrize(("success", "nothing"), [(0.0, True), (0.004, True), (0.01, False), (0.6, False)])
def test_what_changes_no_image_was_not_found(success, nothing):
    said = unproven_why(Choice(level=0, scope=None, success=success, margin=0.0, score=0.0), reached=True)
    assert said.startswith(
        "The pattern found in this image changes other images to its class no more often"
        if nothing
        else f"The pattern found in this image changes {success:.0%}"
    )
    assert "changes 0% of" not in said
