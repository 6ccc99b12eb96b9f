from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from detector_specimens import black_box, eager, normed_classifier, pool, softmax
from torch import nn

from doldrum.data import ImageSet
from doldrum.detectors import IBDPSC
from doldrum.errors import ClassifierError, InputError


def amplified(module: nn.Module, last: int, omega: float) -> nn.Module:
    changed = copy.deepcopy(module)
    norms = [part for part in changed.modules() if isinstance(part, nn.BatchNorm2d)]
    for part in norms[len(norms) - last :]:
        part.weight.data *= omega
        part.bias.data *= omega
    return changed


def answer(module: nn.Module, x: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return softmax(module(torch.from_numpy(x[None]))[0].numpy())


def reference(module: nn.Module, images: np.ndarray, x: np.ndarray, true, *, n: int, omega: float, xi: float):
    """Hou et al., algorithm 1 and equation 4: k by the clean error, then the mean confidence of the models k to k + n - 1."""
    most = sum(isinstance(part, nn.BatchNorm2d) for part in module.modules())
    for k in range(1, most + 1):
        wrong = [
            answer(amplified(module, k, omega), image).argmax() != y for image, y in zip(images, true, strict=True)
        ]
        if np.mean(wrong) > xi:
            break
    models = [amplified(module, i, omega) for i in range(k, min(k + n - 1, most) + 1)]
    psc = []
    for image in x:
        label = answer(module, image).argmax()
        psc.append(np.mean([answer(model, image)[label] for model in models]))
    return k, len(models), psc


@pytest.mark.parametrize("outputs", ["logits", "probabilities"])
@pytest.mark.parametrize(("n", "xi", "first"), [(2, 0.05, 3), (2, 0.15, 4), (3, 0.15, 4)])
def test_score_is_the_papers_input_by_input(n, xi, first, outputs) -> None:
    clf, x, clean = normed_classifier(outputs, norms=5), pool(12, 1), pool(40)
    settings = {"omega": 2.0, "xi": xi}
    net = normed_classifier(norms=5).module
    det = eager(IBDPSC(models=n, seed=0, **settings).fit(clf, clean))
    true = [answer(net, image).argmax() for image in clean]
    k, count, expected = reference(net, clean, x, true, n=n, **settings)
    assert det.layers_.tolist() == list(range(k, k + count))
    assert np.allclose(det.score_samples(x), expected, atol=1e-5)
    assert np.std(expected) > 0.01
    assert k == first


def test_labels_are_used_where_there_are_some() -> None:
    clf, clean = normed_classifier(norms=5), pool(40)
    wrong = (clf(clean).argmax(axis=1) + 1) % 4  # every prediction is an error: k = 1
    det = IBDPSC(models=2, omega=1.0001, xi=0.5, seed=0)
    assert det.fit(clf, ImageSet(clean, wrong)).layers_.tolist() == [1, 2]
    assert det.fit(clf, clean).layers_.tolist() == [4, 5]  # nothing changes: the largest two


def test_what_it_cannot_serve_is_refused() -> None:
    with pytest.raises(ClassifierError, match="torch network"):
        IBDPSC().fit(black_box("logits"), pool(5))
    with pytest.raises(ClassifierError, match="batch normalisation"):
        IBDPSC().fit(normed_classifier(norms=0), pool(5))
    with pytest.raises(InputError, match="call fit"):
        IBDPSC().probes()
    for wrong in ({"models": 0}, {"omega": 0}, {"xi": 2}):
        with pytest.raises(InputError, match="expected"):
            IBDPSC(**wrong)
