from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import softmax
from scipy.stats import entropy

import doldrum as dd
from doldrum.errors import ClassifierError, InputError

PROBE = dd.probes.Gaussian([0.1, 0.3, 0.6], draws=70, seed=1)  # 211 rows per input: four tiles
NAMES = ("entropy", "confidence", "change")


def plain(net: torch.nn.Module, images: np.ndarray) -> dict[str, np.ndarray]:
    """One image, one draw at a time, from the definitions."""
    n = (len(images), len(PROBE.strengths), PROBE.draws)
    out = {name: np.empty(n) for name in NAMES}
    noise = [dd.seeds.rng(1, "gaussian", j).standard_normal((1, 8, 8), dtype=np.float32) for j in range(PROBE.draws)]
    with torch.no_grad():
        for i, x in enumerate(images):
            base = softmax(net(torch.from_numpy(x[None])).numpy().astype(float)[0])
            for c, sigma in enumerate(PROBE.strengths):
                for j, eps in enumerate(noise):
                    p = softmax(net(torch.from_numpy(x + np.float32(sigma) * eps)[None]).numpy().astype(float)[0])
                    out["entropy"][i, c, j] = entropy(p)
                    out["confidence"][i, c, j] = p[base.argmax()]
                    out["change"][i, c, j] = sum(abs(p[k] - base[k]) for k in range(4))
    return out


@pytest.mark.parametrize("engine", ["eager", "openvino-fp32"])
def test_readouts_equal_those_of_a_plain_loop(net, clf, images, engine) -> None:
    r = dd.measure(clf, images[:4], PROBE, engine=engine, readouts=NAMES)
    expected = plain(net, images[:4])
    for name in NAMES:
        assert np.abs(r.readouts[name] - expected[name]).max() < 1e-4, name
        assert r.readouts[name].dtype == np.float32
    with torch.no_grad():
        assert np.allclose(r.scores, softmax(net(torch.from_numpy(images[:4])).numpy(), axis=1), atol=1e-5)
    assert np.array_equal(r.draws, dd.measure(clf, images[:4], PROBE, engine=engine).draws)


def test_probabilities_are_taken_as_given(net, clf, images) -> None:
    soft = torch.nn.Sequential(net, torch.nn.Softmax(dim=1)).eval()
    given = dd.as_classifier(soft, input_shape=(1, 8, 8), num_classes=4, outputs="probabilities")
    a = dd.measure(given, images, PROBE, engine="eager", readouts=NAMES)
    b = dd.measure(clf, images, PROBE, engine="eager", readouts=NAMES)
    for name in NAMES:
        assert np.allclose(a.readouts[name], b.readouts[name], atol=1e-5)
    exact = dd.as_classifier(
        lambda x: np.eye(3)[(x[:, 0, 0, 0] > 0.5).astype(int)],
        input_shape=(1, 8, 8), num_classes=3, outputs="probabilities",
    )  # fmt: skip
    r = dd.measure(exact, images, PROBE, readouts=NAMES)
    assert not r.readouts["entropy"].any()
    moved = r.draws != r.labels[:, None, None]
    assert moved.any()
    assert np.array_equal(r.readouts["change"], 2.0 * moved)
    assert np.array_equal(r.readouts["confidence"], 1.0 * ~moved)


def test_invalid_draws_read_nan(images) -> None:
    def brittle(x: np.ndarray) -> np.ndarray:
        scores = x.reshape(len(x), -1)[:, :3].copy()
        scores[x[:, 0, 0, 0] > 0.7] = np.inf
        return scores

    clf = dd.as_classifier(brittle, input_shape=(1, 8, 8), num_classes=3)
    with pytest.warns(UserWarning, match="NaN or infinite scores for"):
        r = dd.measure(clf, images, PROBE, readouts=NAMES)
    bad, lost = r.draws < 0, r.labels < 0
    assert bad.any()
    assert lost.any()
    assert np.array_equal(np.isnan(r.readouts["entropy"]), bad)
    for name in ("confidence", "change"):
        assert np.array_equal(np.isnan(r.readouts[name]), bad | lost[:, None, None])
    assert np.array_equal(np.isnan(r.scores).all(axis=1), lost)


def test_tiles_may_come_back_in_any_order(clf, images, monkeypatch) -> None:
    from doldrum.engines.direct import DirectEngine

    whole = dd.measure(clf, images, PROBE, engine="eager", readouts=NAMES)
    forwards = DirectEngine.run

    def backwards(self, tiles, sink):
        answers = []
        forwards(self, tiles, lambda key, output: answers.append((key, output.copy())))
        for key, output in reversed(answers):
            sink(key, output)

    monkeypatch.setattr(DirectEngine, "run", backwards)
    again = dd.measure(clf, images, PROBE, engine="eager", readouts=NAMES)
    for name in NAMES:
        assert np.array_equal(again.readouts[name], whole.readouts[name])


def test_a_classifier_of_labels_and_unknown_names_are_refused(clf, images) -> None:
    hard = dd.as_classifier(lambda x: np.zeros(len(x), int), input_shape=(1, 8, 8), num_classes=3, outputs="labels")
    with pytest.raises(ClassifierError, match="labels only"):
        dd.measure(hard, images, PROBE, readouts=["entropy"])
    with pytest.raises(InputError, match="readouts"):
        dd.measure(clf, images, PROBE, readouts=["magic"])
    r = dd.measure(hard, images, PROBE)
    assert r.scores is None
    assert not r.readouts


def test_parts_of_responses_keep_their_readouts(clf, images) -> None:
    r = dd.measure(clf, images, PROBE, readouts=NAMES, batch_size=6)
    part = r.take([3, 1]).at(0.3)
    assert np.array_equal(part.readouts["entropy"], r.readouts["entropy"][[3, 1], 1:2])
    assert np.array_equal(part.scores, r.scores[[3, 1]])
    assert part.ids == ("3", "1")
    with pytest.raises(InputError, match="array of scores with shape"):
        dd.Responses(r.draws, r.labels, r.strengths, 4, scores=np.zeros((2, 4)))
    with pytest.raises(InputError, match="'entropy' as an array of shape"):
        dd.Responses(r.draws, r.labels, r.strengths, 4, readouts={"entropy": np.zeros((2, 4))})
    twice = dd.Responses(r.draws[:, :2], r.labels, (1, 1), 4)
    with pytest.raises(InputError, match="expected one condition"):
        twice.at(1)
