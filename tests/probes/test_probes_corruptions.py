from __future__ import annotations

import colorsys
import io

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import convolve, gaussian_filter
from test_probes_families import drawn, picture

import doldrum as dd
from doldrum.errors import InputError
from doldrum.probes import CORRUPTIONS, Corruptions
from doldrum.probes._corruption_kinds import KINDS
from doldrum.probes._corruption_tables import TABLES

SHAPES = [(1, 28, 28), (3, 32, 32), (2, 8, 11)]


def smooth_picture(shape: tuple[int, int, int]) -> np.ndarray:
    soft = gaussian_filter(picture(shape), (0, 2, 2))
    return ((soft - soft.min()) / np.ptp(soft)).astype(np.float32)


def corrupt(kind: str, image: np.ndarray, severity: int, table: str = "cifar-10-c", draws: int = 1) -> np.ndarray:
    return drawn(Corruptions([kind], severities=[severity], table=table, draws=draws), image, 0, 0, draws)


@pytest.mark.parametrize("table", ["cifar-10-c", "imagenet-c"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_takes_every_shape_and_severities_do_not_add_up(kind, shape, table) -> None:
    image = smooth_picture(shape)
    before = image.copy()
    probe = Corruptions([kind], severities=[0, 1, 2, 3, 4, 5], table=table)
    alone = [drawn(probe, image, c, 0, 1) for c in range(6)]
    again = [drawn(probe, image, c, 0, 1) for c in reversed(range(6))][::-1]
    assert np.array_equal(alone, again)
    assert np.array_equal(image, before)
    assert np.array_equal(alone[0][0], image)
    for out in alone:
        assert out.min() >= 0
        assert out.max() <= 1
    off = [np.abs(out - image).mean() for out in alone]
    assert min(off[1:]) > 0
    if kind not in ("glass-blur", "elastic-transform", "snow"):  # their severities trade one setting for another
        assert off[5] > off[1]


def test_conditions_go_kind_by_kind() -> None:
    probe = Corruptions(["brightness", "contrast"], severities=[2, 4])
    image = picture((1, 6, 6))
    for c, (kind, severity) in enumerate(probe.conditions):
        assert np.array_equal(drawn(probe, image, c, 0, 1), corrupt(kind, image, severity))
    assert probe.strengths == (2, 4, 2, 4)
    assert len(Corruptions().strengths) == 70


def test_a_kind_of_ones_own_is_taken_by_name_and_leaves_the_default_alone(monkeypatch) -> None:
    """What TeCo and saved detectors mean by all kinds stays the paper's fourteen."""
    monkeypatch.setitem(KINDS, "inversion", lambda x, share, at: (1 - share) * x + share * (1 - x))
    monkeypatch.setitem(TABLES["cifar-10-c"], "inversion", [0.1, 0.2, 0.3, 0.4, 0.5])
    image = picture((1, 6, 6))
    assert np.allclose(corrupt("inversion", image, 5)[0], 0.5, atol=1e-6)
    assert Corruptions().kinds == CORRUPTIONS


def test_noises_are_their_distributions() -> None:
    image = np.full((1, 40, 40), 0.5, np.float32)
    assert (corrupt("gaussian-noise", image, 3) - 0.5).std() == pytest.approx(0.08, rel=0.1)
    shot = corrupt("shot-noise", image, 5, "imagenet-c", draws=5) * 3
    assert np.abs(shot - np.round(shot)).max() < 1e-5  # counts of Poisson(1.5), cut at 3
    assert (shot == 0).mean() == pytest.approx(np.exp(-1.5), abs=0.02)
    hits = corrupt("impulse-noise", image, 5, "imagenet-c", draws=5)
    assert (hits == 0).mean() == pytest.approx(0.135, abs=0.015)
    assert (hits == 1).mean() == pytest.approx(0.135, abs=0.015)
    weak, strong = (corrupt("gaussian-noise", image, s) - 0.5 for s in (1, 3))
    assert np.allclose(2 * weak, strong, atol=1e-6)  # one noise for all severities


def test_brightness_raises_the_value_of_hsv() -> None:
    image = picture((3, 5, 5)) * 0.6
    image[:, 0, 0] = 0
    out = corrupt("brightness", image, 5)[0]
    for i in range(5):
        for j in range(5):
            h, s, v = colorsys.rgb_to_hsv(*image[:, i, j].tolist())
            assert np.allclose(out[:, i, j], colorsys.hsv_to_rgb(h, s, min(v + 0.3, 1)), atol=1e-5)


def test_contrast_pixelate_and_jpeg() -> None:
    image = smooth_picture((3, 32, 32))
    mean = image.mean(axis=(1, 2), keepdims=True)
    assert np.allclose(corrupt("contrast", image, 3)[0], 0.4 * image + 0.6 * mean, atol=1e-6)
    blocks = image.reshape(3, 8, 4, 8, 4).mean(axis=(2, 4)).repeat(4, axis=1).repeat(4, axis=2)
    assert np.allclose(corrupt("pixelate", image, 5, "imagenet-c")[0], blocks, atol=1e-5)  # a quarter of the side
    file = io.BytesIO()
    Image.fromarray(np.round(image.transpose(1, 2, 0) * 255).astype(np.uint8)).save(file, "JPEG", quality=40)
    assert np.array_equal(
        np.round(corrupt("jpeg-compression", image, 5)[0] * 255), np.asarray(Image.open(file)).transpose(2, 0, 1)
    )


def test_blurs_against_plain_convolutions() -> None:
    image = smooth_picture((1, 28, 28))
    i, j = np.mgrid[-8:9, -8:9]
    disk = (i**2 + j**2 <= 36).astype(float)
    taps = np.exp(-(np.array([-1, 0, 1]) ** 2) / (2 * 0.5**2))
    soft = convolve(disk, np.outer(taps, taps) / taps.sum() ** 2, mode="mirror")
    expected = convolve(image[0].astype(float), soft / soft.sum(), mode="mirror")
    assert np.allclose(corrupt("defocus-blur", image, 3, "imagenet-c")[0, 0], expected, atol=1e-5)
    flat = np.full((1, 20, 20), 0.3, np.float32)
    for kind in ("defocus-blur", "glass-blur", "motion-blur", "elastic-transform", "pixelate"):
        assert np.allclose(corrupt(kind, flat, 5), 0.3, atol=1e-5), kind
    point = np.zeros((1, 31, 31), np.float32)
    point[0, 15, 15] = 1
    angle = np.deg2rad(dd.seeds.rng(0, "corruptions", "motion-blur", 0).uniform(-45, 45))
    trail = corrupt("motion-blur", point, 1)[0, 0]
    weights = np.exp(-(np.arange(13) ** 2) / 2) / np.exp(-(np.arange(13) ** 2) / 2).sum()
    expected = np.zeros((31, 31))
    for step, weight in enumerate(weights):
        expected[15 - int(np.ceil(step * np.sin(angle) - 0.5)), 15 - int(np.ceil(step * np.cos(angle) - 0.5))] += weight
    assert np.allclose(trail, expected, atol=1e-6)


def test_glass_only_moves_pixels_a_little() -> None:
    image = smooth_picture((1, 28, 28))
    image[0] = np.arange(784).reshape(28, 28) / 784
    out = corrupt("glass-blur", image, 1)[0, 0]  # delta 1, and a blur of .05 pixels, which is none
    assert np.allclose(np.sort(out.ravel()), np.sort(image.ravel()), atol=1e-4)
    assert (out != image[0]).mean() > 0.5


def test_zoom_blur_averages_zooms_about_the_middle() -> None:
    image = smooth_picture((1, 15, 15))
    out = corrupt("zoom-blur", image, 1)[0, 0]
    assert out[7, 7] == pytest.approx(image[0, 7, 7], abs=1e-6)
    ramp = np.tile(np.linspace(0, 1, 15, dtype=np.float32), (1, 15, 1))
    factors = np.arange(1, 1.06, 0.01)
    shrink = (1 + (1 / factors).sum()) / (len(factors) + 1)
    assert np.allclose(corrupt("zoom-blur", ramp, 1)[0, 0], 0.5 + (ramp[0] - 0.5) * shrink, atol=1e-5)


def test_fog_and_snow_lighten_dark_images() -> None:
    dark = np.full((1, 28, 28), 0.1, np.float32)
    foggy = corrupt("fog", dark, 3, draws=4)
    assert (foggy >= 0.1 * 0.1 / 0.85 - 1e-6).all()
    assert (foggy <= 0.1 + 1e-6).all()  # H & D's rescaling by the brightest pixel
    assert np.ptp(foggy[0]) > 0.05
    snowy = corrupt("snow", dark, 5)[0, 0] - (0.8 * 0.1 + 0.2 * (1.5 * 0.1 + 0.5))  # the whitened image
    assert snowy.min() >= -1e-6
    assert np.ptp(snowy) > 0.1
    assert np.allclose(snowy, snowy[::-1, ::-1], atol=1e-6)  # flakes fall both ways


@pytest.mark.parametrize(
    "wrong",
    [
        {"kinds": ["frost"]},
        {"kinds": []},
        {"kinds": ["fog", "fog"]},
        {"severities": [6]},
        {"severities": [1.5]},
        {"table": "mnist-c"},
    ],
)
def test_wrong_settings_are_refused(wrong) -> None:
    with pytest.raises(InputError, match="expected"):
        Corruptions(**wrong)
