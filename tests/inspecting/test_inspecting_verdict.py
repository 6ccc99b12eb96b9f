"""What an inspection says: each sentence holds for the figures, and speaks of what there is alone."""

from __future__ import annotations

import pytest

from doldrum.inspecting.facts import InspectionFacts
from doldrum.inspecting.verdict import NOT_LOOKED, told
from doldrum.inspectors.kinds import DEFAULT

REFERENCES = {"source": "refs", "count": 5, "fpr": 0.2}
WORKS = {"hits": 17, "n": 20, "value": 0.85, "lower": 0.62, "upper": 0.97}


def say(word, *, p_value=0.5, references=REFERENCES, success=WORKS, shown=True, inspectors=DEFAULT, inspector="mask"):
    """The verdict on a model of five classes, of which class 2 stands out."""
    finding = {
        "inspector": inspector, "source": None, "target": 2, "score": 4.0, "p_value": p_value if references else None,
        "anomaly": None if references else 0.001, "smaller": 1.5 if references else None,
    }  # fmt: skip
    readings = [{"inspector": n, "seconds": 1.0, "refused": "", "values": [[None, 2, 1.0]]} for n in inspectors]
    facts = InspectionFacts(
        model={"num_classes": 5, "class_names": None}, shape=(1, 6, 6), clean={}, doubts=[], remarks=[], word=word,
        finding=finding, success=success, readings=readings, deviations={}, bands={},
    )  # fmt: skip
    made = told(facts, references, shown=shown)
    return " ".join(made["sentences"]), made


def test_no_sign_is_said_of_what_stands_out_and_of_a_change():
    text, _ = say("no sign", p_value=2 / 6)
    assert "1 of 5 clean reference models stands out as far as this model" in text
    assert "nothing more easily" not in text
    assert (
        "No result for this model stands out further than the results of the same searches in the clean references."
        in text
    )
    assert "The smallest change that was found was put on 20 clean images" in text
    assert "85.0% (95% interval: 62.0% to 97.0%)" in text
    assert "This change is 1.5 times smaller than the one" in text
    assert "trigger" not in text
    assert "2 of 5 clean reference models stand out" in say("no sign", p_value=3 / 6)[0]
    assert "clean references" not in say("no sign", references=None)[0]


@pytest.mark.parametrize("word", ["suspicious", "backdoor shown"])
def test_a_trigger_is_spoken_of_where_there_is_a_sign(word):
    text, _ = say(word, p_value=1 / 6)
    assert "The trigger that was found was put on 20 clean images" in text
    assert "smallest change" not in text
    assert ("Look at the picture of the trigger." in text) == (word == "suspicious")


def test_without_a_trigger_no_picture_is_to_be_looked_at():
    text, _ = say("suspicious", p_value=1 / 6, success=None, shown=False, inspector="margin")
    assert "The inspector margin shows no trigger here, so there is no trigger to test or to look at." in text
    assert "picture" not in text
    assert "No trigger was found" not in text
    untested = say("suspicious", p_value=1 / 6, success=None)[0]
    assert (
        "could not be tested: it starts from certain classes, and no clean image of these classes is left for the test. This is no proof."
        in untested
    )
    assert "Look at the picture" in untested


def test_other_training_than_that_of_references_is_named_where_there_are_some():
    assert "Training that differs from the training of the references" in say("suspicious", p_value=1 / 6)[0]
    assert "Training that differs" not in say("suspicious", references=None)[0]


def test_each_usual_inspector_that_was_not_run_has_a_line():
    assert say("no sign")[1]["not_looked"] == list(NOT_LOOKED)
    lines = say("no sign", inspectors=("mask", "margin"))[1]["not_looked"]
    left = lines[: -len(NOT_LOOKED)]
    assert [line.split(": not run, because of --inspectors; it looks for ")[0] for line in left] == list(DEFAULT[1:])
    assert "warp" in left[3]
