from __future__ import annotations

import numpy as np
import pytest
import torch
from detector_specimens import SHAPE, black_box, eager, pool, softmax
from torch import nn

import doldrum as dd
from doldrum.detectors import PSBD
from doldrum.errors import ClassifierError, InputError
from doldrum.seeds import rng


def two_layers() -> nn.Sequential:
    torch.manual_seed(1)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 40), nn.ReLU(), nn.Linear(40, 30), nn.ReLU(), nn.Linear(30, 4))
    with torch.no_grad():
        net[5].weight.mul_(8)
    return net.eval()


def dropped(net: nn.Sequential, x: np.ndarray, p: float, seed: int, draw: int) -> np.ndarray:
    """One forward with dropout after both activations; dropped features are 0, the others divided by 1 - p."""
    with torch.no_grad():
        h = net[2](net[1](torch.from_numpy(x.reshape(1, 64))))
        h = h * torch.from_numpy((rng(seed, "dropout", draw, 0).random((1, 40), dtype=np.float32) >= p) / (1 - p))
        h = net[4](net[3](h.float()))
        h = h * torch.from_numpy((rng(seed, "dropout", draw, 1).random((1, 30), dtype=np.float32) >= p) / (1 - p))
        return net[5](h.float())[0].numpy()


def plain(net: nn.Sequential, x: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return net(torch.from_numpy(x[None]))[0].numpy()


def test_score_is_the_papers_input_by_input() -> None:
    net, x = two_layers(), pool(12, 1)
    clf = dd.as_classifier(net, input_shape=SHAPE, num_classes=4)
    det = eager(PSBD(draws=3, rate=0.4, seed=5).fit(clf, pool(2)))
    seed, expected = det.probe_seed("dropout"), []
    for image in x:  # Li et al., equation 2
        base = softmax(plain(net, image))
        y = base.argmax()
        psu = base[y] - sum(softmax(dropped(net, image, 0.4, seed, j))[y] for j in range(3)) / 3
        expected.append(-psu)
    assert np.allclose(det.score_samples(x), expected, atol=1e-5)
    assert np.std(expected) > 0.02
    assert det.forwards == 4


def test_the_rate_is_the_smallest_at_which_four_in_five_predictions_change() -> None:
    net, clean = two_layers(), pool(30)
    clf = dd.as_classifier(net, input_shape=SHAPE, num_classes=4)
    found = set()
    for fit_seed in range(2):
        det = PSBD(draws=3, seed=fit_seed).fit(clf, clean)
        seed = det.probe_seed("rates")
        labels = [plain(net, image).argmax() for image in clean]
        shifts = {
            p: np.mean(
                [
                    dropped(net, image, p, seed, j).argmax() != y
                    for image, y in zip(clean, labels, strict=True)
                    for j in range(3)
                ]
            )
            for p in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
        }
        enough = [p for p, shift in shifts.items() if shift >= 0.8]
        assert det.rate_ == (enough[0] if enough else max(shifts, key=lambda p: shifts[p]))
        found.add(bool(enough))
    assert found


def test_what_it_cannot_serve_is_refused() -> None:
    with pytest.raises(ClassifierError, match="torch network"):
        PSBD().fit(black_box("logits"), pool(5))
    flat = dd.as_classifier(nn.Sequential(nn.Flatten(), nn.Linear(64, 4)).eval(), input_shape=SHAPE, num_classes=4)
    with pytest.raises(ClassifierError, match="to drop from"):
        PSBD().fit(flat, pool(5))
    for wrong in ({"draws": 0}, {"rate": 1.0}):
        with pytest.raises(InputError, match="expected"):
            PSBD(**wrong)
