"""The contract of every family of image perturbations, over one table of specimens."""

from __future__ import annotations

import json

import numpy as np
import pytest

import doldrum as dd
from doldrum.errors import InputError
from doldrum.probes import ImageProbe, probe_from_dict

P = dd.probes
SHAPES = [(1, 8, 8), (3, 9, 7)]
SPECIMENS = {
    "gaussian": lambda shape: P.Gaussian([0.0, 0.1, 0.4], draws=6, seed=3),
    "uniform": lambda shape: P.Uniform([0.0, 0.2, 0.5], draws=6, seed=3),
    "band-noise": lambda shape: P.BandNoise([0.0, 0.2, 0.5], low=0.05, high=0.3, draws=6, seed=3),
    "pixel-ablation": lambda shape: P.PixelAblation([0.0, 0.3, 0.7], draws=6, seed=3),
    "superimpose": lambda shape: P.Superimpose(
        np.random.default_rng(1).random((9, *shape)), [0.0, 0.4, 1.0], draws=6, seed=3
    ),
    "blend": lambda shape: P.Superimpose(
        np.random.default_rng(1).random((9, *shape)), [0.0, 0.4, 1.0], draws=6, seed=3, mode="blend"
    ),
    "relative": lambda shape: P.Superimpose(
        np.random.default_rng(1).random((9, *shape)), [0.0, 0.4, 1.0], draws=6, seed=3, mode="relative"
    ),
    "cutmix": lambda shape: P.CutMix(np.random.default_rng(1).random((9, *shape)), [0.0, 0.3, 1.0], draws=6, seed=3),
    "hybrid": lambda shape: P.Hybrid(np.random.default_rng(1).random((9, *shape)), [0.0, 0.5, 3.0], draws=6, seed=3),
    "flip": lambda shape: P.Flip(draws=6),
    "scale": lambda shape: P.Scale([1.0, 3.0, 0.5]),
    "shift": lambda shape: P.Shift([0, 1, 3], draws=6, seed=3),
    "warp": lambda shape: P.Warp([0.0, 0.5, 2.0], draws=6, seed=3),
    "corruptions": lambda shape: P.Corruptions(
        ["contrast", "snow", "gaussian-noise"], severities=[0, 2, 5], table="imagenet-c", draws=3, seed=3
    ),
    "contrast": lambda shape: P.Contrast([0.0, 0.2, 0.5], draws=6, seed=3),
}
IDENTITY = dict.fromkeys(SPECIMENS, 0.0) | {"scale": 1.0}  # the strength at which an image comes back as it is
CASES = [(name, shape) for name in SPECIMENS for shape in SHAPES]


def drawn(probe: ImageProbe, image: np.ndarray, condition: int, start: int, stop: int) -> np.ndarray:
    out = np.full((stop - start, *image.shape), np.nan, dtype=np.float32)
    probe.bind(image.shape).fill(image, condition, start, stop, out)
    return out


def picture(shape: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_draws_are_the_same_whatever_is_asked_for_around_them(name, shape) -> None:
    probe, image = SPECIMENS[name](shape), picture(shape)
    for c in range(len(probe.strengths)):
        whole = drawn(probe, image, c, 0, probe.draws)
        assert np.isfinite(whole).all()
        assert np.array_equal(whole, drawn(probe, image, c, 0, probe.draws))
        one_by_one = [drawn(probe, image, c, j, j + 1)[0] for j in range(probe.draws)]
        assert np.array_equal(whole, one_by_one)


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_the_identity_strength_gives_the_image_and_others_do_not(name, shape) -> None:
    probe, image = SPECIMENS[name](shape), picture(shape)
    for c, strength in enumerate(probe.strengths):
        same = np.allclose(drawn(probe, image, c, 0, probe.draws), image, atol=1e-6)
        assert same == (strength == IDENTITY[name])


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_the_seed_changes_the_draws_and_draws_differ(name, shape) -> None:
    probe, image = SPECIMENS[name](shape), picture(shape)
    if name in ("scale", "flip"):
        pytest.skip("a family without chance")
    other = probe_like(probe, seed=4)
    last = len(probe.strengths) - 1
    ours = drawn(probe, image, last, 0, probe.draws)
    assert not np.array_equal(ours, drawn(other, image, last, 0, probe.draws))
    assert len(np.unique(ours.reshape(len(ours), -1), axis=0)) > 1


def probe_like(probe: ImageProbe, **changes) -> ImageProbe:
    settings = probe.to_dict() | changes
    overlays = getattr(probe, "overlays", None)
    return probe_from_dict(settings) if overlays is None else probe_from_dict(settings, overlays=overlays)


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_the_settings_make_the_probe_again(name, shape) -> None:
    probe, image = SPECIMENS[name](shape), picture(shape)
    settings = json.loads(json.dumps(probe.to_dict()))
    again = probe_like(probe, **settings)
    assert type(again) is type(probe)
    assert again.to_dict() == probe.to_dict()
    last = len(probe.strengths) - 1
    assert np.array_equal(drawn(again, image, last, 0, probe.draws), drawn(probe, image, last, 0, probe.draws))


@pytest.mark.parametrize("name", SPECIMENS)
def test_labels_depend_on_no_batch_order_or_slice(name, clf, images) -> None:
    probe = SPECIMENS[name]((1, 8, 8))
    whole = dd.measure(clf, images, probe, readouts=["entropy", "change"])
    for batch_size in (1, 7):
        again = dd.measure(clf, images, probe, batch_size=batch_size, readouts=["entropy", "change"])
        assert np.array_equal(again.draws, whole.draws)
        assert np.array_equal(again.labels, whole.labels)
        assert np.array_equal(again.readouts["change"], whole.readouts["change"])
    backwards = dd.measure(clf, images[::-1].copy(), probe)
    assert np.array_equal(backwards.draws[::-1], whole.draws)
    part = dd.measure(clf, images[5:9], probe)
    assert np.array_equal(part.draws, whole.draws[5:9])
    if IDENTITY[name] in probe.strengths:
        still = whole.draws[:, probe.strengths.index(IDENTITY[name])]
        assert np.array_equal(still, np.repeat(whole.labels[:, None], probe.draws, axis=1))


def test_an_unknown_family_is_refused() -> None:
    with pytest.raises(InputError, match="probe family"):
        probe_from_dict({"family": "magic", "strengths": [1]})


def test_band_noise_holds_its_band_and_its_deviation() -> None:
    probe = P.BandNoise([0.2], low=0.1, high=0.25, draws=300)
    noise = drawn(probe, np.zeros((2, 16, 16), np.float32), 0, 0, 300)
    assert noise.std() == pytest.approx(0.2, rel=0.02)
    power = (np.abs(np.fft.fft2(noise)) ** 2).mean(axis=(0, 1))
    f = np.hypot(*np.meshgrid(np.fft.fftfreq(16), np.fft.fftfreq(16), indexing="ij"))
    inside = (f >= 0.1) & (f < 0.25)
    assert power[~inside].max() < 1e-6 * power[inside].mean()
    assert power[inside].min() > 0.7 * power[inside].mean()
    everything = drawn(P.BandNoise([0.3], low=0, high=0.75, draws=2), np.zeros((1, 5, 5), np.float32), 0, 0, 2)
    eps = dd.seeds.rng(0, "band-noise", 1).standard_normal((1, 5, 5))
    assert np.allclose(everything[1], 0.3 * eps, atol=1e-6)


def test_uniform_noise_is_uniform() -> None:
    from scipy import stats

    noise = drawn(P.Uniform([0.3], draws=200), np.zeros((1, 6, 6), np.float32), 0, 0, 200)
    assert stats.kstest(noise.ravel(), stats.uniform(-0.3, 0.6).cdf).pvalue > 0.001
    cut = drawn(P.Uniform([0.3], draws=9, clip=True), np.full((1, 4, 4), 0.95, np.float32), 0, 0, 9)
    assert cut.max() == 1


def test_pixel_ablation_takes_the_share_asked_for_evenly_and_in_all_channels() -> None:
    probe = P.PixelAblation([0.1, 0.5], value=0.25, draws=400)
    image = np.full((3, 5, 4), 0.75, np.float32)
    few, many = (drawn(probe, image, c, 0, 400) == 0.25 for c in range(2))
    assert (few.sum(axis=(2, 3)) == 2).all()
    assert (many.sum(axis=(2, 3)) == 10).all()
    assert (few <= many).all()
    assert (few[:, 0] == few[:, 2]).all()
    assert np.abs(many.mean(axis=0) - 0.5).max() < 0.12  # every pixel alike: 5 standard errors
    for wrong in ({"strengths": [1.1]}, {"strengths": [0.5], "value": 2}):
        with pytest.raises(InputError, match="expected"):
            P.PixelAblation(**wrong)
    with pytest.raises(InputError, match="low < high"):
        P.BandNoise([0.1], low=0.3, high=0.3)
    with pytest.raises(InputError, match="widen"):
        P.BandNoise([0.1], low=0.01, high=0.02).bind((1, 4, 4))
