"""What one run found out of classifier and engine is good for the next, for as long as nothing of it changed."""

from __future__ import annotations

import json

import numpy as np
import pytest
from small_nets import small_net

import doldrum as dd
from doldrum.errors import ClassifierError, InputError
from doldrum.measuring import Checked, Measurement

PROBE = dd.probes.Gaussian([0.1, 0.3], draws=20, seed=1)


class Asked:
    """A labelling function that notes how many images it was shown."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, x: np.ndarray) -> np.ndarray:
        self.count += len(x)
        return (x.mean(axis=(1, 2, 3)) > 0.5).astype(int)


def black_box(function) -> dd.Classifier:
    return dd.as_classifier(function, input_shape=(1, 8, 8), num_classes=2, outputs="labels")


def test_a_later_run_asks_nothing_and_gives_the_same(images) -> None:
    asked = Asked()
    first = Measurement(black_box(asked), images, PROBE)
    assert 0 < asked.count <= 8 + 3 * 128
    asked.count = 0
    again = Measurement(
        black_box(asked), images, PROBE, checked=Checked.from_dict(json.loads(json.dumps(first.checked.to_dict())))
    )
    assert asked.count == 0
    assert again.info == first.info
    assert again.plan == first.plan
    a, b = ([c.only.draws for c in run.chunks()] for run in (first, again))
    assert np.array_equal(a, b)
    assert asked.count == 2 * 20 * 41


def test_another_classifier_machine_or_number_of_rows_is_checked_again(clf, images, monkeypatch) -> None:
    first = Measurement(clf, images, PROBE, engine="eager").checked
    assert first.name == "eager"
    trusted = Measurement(clf, images, PROBE, engine="openvino-fp32", checked=first)
    assert trusted.checked is first
    assert trusted.engine.name == "eager"
    other = dd.as_classifier(small_net(seed=1), input_shape=(1, 8, 8), num_classes=4)
    longer = dd.probes.Gaussian([0.1], draws=200)
    for run in (Measurement(other, images, PROBE, checked=first), Measurement(clf, images, longer, checked=first)):
        assert run.checked is not first
        assert run.checked.holds(run.classifier, run.plan.rows)
    monkeypatch.setattr("doldrum.measuring.checked.versions_and_machine", lambda: {"machine": "another"})
    assert Measurement(clf, images, PROBE, checked=first).checked.machine != first.machine


def test_whether_rows_mix_is_kept(images) -> None:
    """A batch normalised by its own brightest pixel: neighbours matter, so no two inputs share a batch, in the second run either."""

    def mixing(x: np.ndarray) -> np.ndarray:
        return (x / max(x.max(), 1e-9)).reshape(len(x), -1)[:, :4]

    clf = dd.as_classifier(mixing, input_shape=(1, 8, 8), num_classes=4)
    first = Measurement(clf, images, dd.probes.Gaussian([0.5], draws=3, seed=0))
    again = Measurement(clf, images, dd.probes.Gaussian([0.5], draws=3, seed=0), checked=first.checked)
    assert not first.checked.choice.mixes_inputs
    assert again.plan.inputs_each == 1


@pytest.mark.parametrize("count", [1, 2, 64, 128])
def test_rows_that_mix_are_seen_whatever_the_number_of_images(count) -> None:
    """The sum of a batch says nothing of the order: full batches in another order, with the same company, would look independent."""
    images = np.random.default_rng(0).integers(1, 9, (count, 1, 8, 8)).astype(np.float32) / 16
    clf = dd.as_classifier(lambda x: x.sum() + x[:, 0, 0, :4], input_shape=(1, 8, 8), num_classes=4)
    run = Measurement(clf, images, {}, scores=True)
    assert run.plan.rows == 64
    assert not run.checked.choice.mixes_inputs


def test_a_model_that_is_being_trained_is_refused_all_the_same(images) -> None:
    net = small_net(seed=5)
    clf = dd.as_classifier(net, input_shape=(1, 8, 8), num_classes=4)
    checked = Measurement(clf, images, PROBE).checked
    net.train()
    with pytest.raises(ClassifierError, match="evaluation mode"):
        Measurement(clf, images, PROBE, checked=checked)


@pytest.mark.parametrize(
    "change",
    [
        {"rows": 0}, {"rows": "64"}, {"rows": True}, {"classifier": None}, {"machine": 3}, {"notes": "x"}, {"notes": [1]},
        {"choice": {}}, {"choice": None}, {"more": 1},
        *({"choice": {"engine": "eager", "precision": "fp32", "agreement": 1.0, "checked": 8, "mixes_inputs": True} | c}
          for c in ({"engine": "curl"}, {"mixes_inputs": 1}, {"agreement": "1"}, {"hook": "x"})),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_none_is_refused(change, clf, images) -> None:
    whole = Measurement(clf, images, PROBE).checked.to_dict()
    assert Checked.from_dict(whole).to_dict() == whole
    for wrong in (whole | change, [], None):
        with pytest.raises(InputError, match="an earlier check"):
            Checked.from_dict(wrong)
