"""Each trigger against a reference written another way, or an invariant: amplitude, which pixels change, what is exact."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.fft import dctn, idctn
from scipy.ndimage import map_coordinates

import doldrum.triggers as t
from doldrum.errors import InputError
from doldrum.triggers.ftrojan import RGB_TO_YUV
from doldrum.triggers.quantise import floyd_steinberg


def grey(n: int = 4, channels: int = 1, size: int = 28) -> np.ndarray:
    """Images in the middle of the range, so that nothing is clipped."""
    return np.random.default_rng(1).uniform(0.4, 0.6, (n, channels, size, size)).astype(np.float32)


def test_blended_is_linear_interpolation():
    x, k = grey(channels=3), np.random.default_rng(2).random((3, 28, 28)).astype(np.float32)
    out = t.Blended(alpha=0.3, pattern=k)(x)
    assert np.allclose(out, x + 0.3 * (k - x), atol=1e-6)
    one = t.Blended(alpha=1.0, pattern=k[:1])(x)
    assert np.allclose(one, np.broadcast_to(k[:1], x.shape))
    assert np.array_equal(t.Blended(alpha=0)(x), x)


def test_blended_noise_is_uniform_and_depends_on_its_seed():
    k = t.Blended(alpha=1.0)(grey(1, size=200))
    assert abs(k.mean() - 0.5) < 0.01
    assert abs(k.var() - 1 / 12) < 0.002
    assert t.Blended() != t.Blended(pattern_seed=1)
    with pytest.raises(InputError, match="fit a pattern of shape"):
        t.Blended(pattern=np.zeros((1, 4, 4)))(grey())


def test_sinusoid_has_its_amplitude_and_frequency():
    v = (t.Sinusoid(delta=0.1, frequency=4)(grey(size=64)) - grey(size=64))[0, 0]
    assert np.allclose(v, v[0])  # the same in all rows
    spectrum = np.abs(np.fft.rfft(v[0])) / 32
    assert spectrum.argmax() == 4
    assert spectrum[4] == pytest.approx(0.1, abs=1e-5)
    reference = np.array([0.1 * np.sin(2 * np.pi * j * 4 / 64) for j in range(64)])
    assert np.allclose(v[0], reference, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_warp_against_scipy(channels):
    warp, x = t.Warp(s=1.5, field_seed=3), grey(channels=channels)
    at = np.clip(np.indices((28, 28)) + warp.field(28, 28), 0, 27)
    for image, out in zip(x, warp(x), strict=True):
        for c in range(channels):
            assert np.allclose(map_coordinates(image[c].astype(float), at, order=1), out[c], atol=1e-5)


def test_warp_field_has_its_strength():
    # The spline passes through the control points, whose corners are the image's.
    field = t.Warp(s=0.5, k=4).field(28, 28)[:, ::9, ::9]
    assert np.abs(field).mean() == pytest.approx(0.5, abs=1e-6)
    assert np.array_equal(t.Warp(s=0)(grey()), grey())


def test_warp_cover_is_noisier_and_differs_from_sample_to_sample():
    x = np.repeat(grey(1), 2, axis=0)
    cover = t.Warp().as_cover(x, seed=0, rows=[0, 1])
    assert not np.array_equal(cover[0], cover[1])
    assert np.array_equal(t.Warp().in_training(x, seed=0, rows=[0, 1]), t.Warp()(x))
    assert not np.array_equal(t.Warp().as_cover(x, seed=1, rows=[0, 1]), cover)


def dither_one(image: np.ndarray, levels: int) -> np.ndarray:
    """Floyd-Steinberg as on its Wikipedia page, one pixel at a time."""
    a = image.astype(np.float32).copy()
    height, width = a.shape
    for y in range(height):
        for x in range(width):
            old = a[y, x]
            new = np.float32(min(max(round(float(old * np.float32(levels - 1))), 0), levels - 1)) / np.float32(
                levels - 1
            )
            a[y, x] = new
            e = old - new
            for dy, dx, w in ((0, 1, 7), (1, -1, 3), (1, 0, 5), (1, 1, 1)):
                if y + dy < height and 0 <= x + dx < width:
                    a[y + dy, x + dx] += e * np.float32(w / 16)
    return a


def test_quantise_against_a_plain_loop():
    x = np.random.default_rng(4).random((2, 3, 9, 7)).astype(np.float32)
    out = t.Quantise(levels=8)(x)
    for n in range(2):
        for c in range(3):
            assert np.array_equal(out[n, c], dither_one(x[n, c], 8))
    assert np.allclose(out * 7, np.rint(out * 7), atol=1e-5)
    assert abs(t.Quantise(levels=4)(grey(size=32)).mean() - grey(size=32).mean()) < 0.01  # dithering keeps the mean


def test_quantise_leaves_quantised_images_alone():
    x = np.random.default_rng(5).integers(0, 8, (2, 1, 6, 6)).astype(np.float32) / np.float32(7)
    assert np.array_equal(floyd_steinberg(x, levels=8), x)


def test_quantise_cover_adds_an_error_that_is_not_its_own():
    x = grey()
    cover = t.Quantise().as_cover(x, seed=0, rows=range(4)) - x
    assert np.abs(cover).max() < 0.5
    assert abs(np.corrcoef(cover.ravel(), (t.Quantise()(x) - x).ravel())[0, 1]) < 0.1


@pytest.mark.parametrize("size", [8, 28, 32, 64])
def test_low_frequency_is_smooth_and_has_its_amplitude(size):
    added = (t.LowFrequency(amplitude=0.2, cutoff=4)(grey(size=size)) - grey(size=size))[0, 0]
    assert np.abs(added).max() == pytest.approx(0.2, abs=1e-6)
    spectrum = dctn(added, norm="ortho")
    assert np.abs(spectrum[4:]).max() < 1e-5
    assert np.abs(spectrum[:, 4:]).max() < 1e-5
    assert abs(added.mean()) < 1e-6


def test_low_frequency_takes_an_optimised_perturbation():
    d = np.random.default_rng(0).standard_normal((1, 28, 28))
    out = t.LowFrequency(amplitude=0.1, perturbation=d)(grey()) - grey()
    assert np.allclose(out, 0.1 * d / np.abs(d).max(), atol=1e-6)
    with pytest.raises(InputError, match="optimise a perturbation for this shape"):
        t.LowFrequency(perturbation=d)(grey(size=32))


@pytest.mark.parametrize(("size", "place"), [(32, (15, 31)), (28, (13, 27)), (8, (3, 7)), (64, (15, 31))])
def test_ftrojan_raises_two_coefficients_of_a_grey_image(size, place):
    x = grey(size=size)
    out = t.FTrojan(magnitude=30)(x)
    b = min(size, 32)
    change = dctn((out - x).astype(float)[0, 0, :b, :b] * 255, norm="ortho")
    expected = np.zeros((b, b))
    for p in place:
        expected[p, p] = 30
    assert np.allclose(change, expected, atol=1e-3)


def test_ftrojan_on_colour_by_the_long_way():
    """RGB -> YUV -> blocks -> DCT -> raise -> back, as the paper describes it."""
    x = grey(2, channels=3, size=64).astype(float)
    expected = np.empty_like(x)
    for n in range(2):
        yuv = np.einsum("ij,jhw->ihw", RGB_TO_YUV, x[n])
        for c in (1, 2):
            for i in (0, 32):
                for j in (0, 32):
                    block = dctn(yuv[c, i : i + 32, j : j + 32], norm="ortho")
                    block[15, 15] += 30 / 255
                    block[31, 31] += 30 / 255
                    yuv[c, i : i + 32, j : j + 32] = idctn(block, norm="ortho")
        expected[n] = np.einsum("ij,jhw->ihw", np.linalg.inv(RGB_TO_YUV), yuv)
    assert np.allclose(t.FTrojan()(x), expected, atol=1e-6)
    luma = np.einsum("j,njhw->nhw", RGB_TO_YUV[0], t.FTrojan()(x) - x)
    assert np.abs(luma).max() < 1e-5  # brightness stays
    with pytest.raises(InputError, match="1 or 3"):
        t.FTrojan()(grey(channels=2))


def test_adaptive_blend_shows_half_its_pieces():
    x, trigger = grey(6, size=32), t.AdaptiveBlend()
    trained = trigger.in_training(x, seed=0, rows=range(6))
    full = t.Blended(alpha=0.15)(x)
    masks = set()
    for i in range(6):
        mask = trigger.mask((32, 32), seed=0, row=i)
        assert mask.mean() == 0.5
        assert np.allclose(trained[i, 0], np.where(mask == 1, full[i, 0], x[i, 0]), atol=1e-6)
        assert all(np.ptp(mask[r : r + 8, c : c + 8]) == 0 for r in range(0, 32, 8) for c in range(0, 32, 8))
        masks.add(mask.tobytes())
    assert len(masks) > 1
    assert np.array_equal(trigger(x), t.Blended(alpha=0.2)(x))
    assert np.array_equal(trigger.as_cover(x, seed=0, rows=range(6)), trained)


def test_adaptive_patch_shows_one_in_training_and_all_at_test():
    x, trigger = np.full((60, 1, 28, 28), 0.3, dtype=np.float32), t.AdaptivePatch(size=4)
    trained = trigger.in_training(x, seed=0, rows=range(60)) != x
    corners = [np.s_[:4, :4], np.s_[:4, -4:], np.s_[-4:, :4], np.s_[-4:, -4:]]
    hit = np.array([[image[0][c].any() for c in corners] for image in trained])
    assert (hit.sum(axis=1) == 1).all()
    assert (hit.sum(axis=0) > 5).all()
    assert trained.reshape(60, -1).sum(axis=1).max() == 16
    full = trigger(x)[0, 0]
    assert (full != np.float32(0.3)).sum() == 64
    assert len({full[c].tobytes() for c in corners}) == 4


def test_masked_pattern():
    mask = np.random.default_rng(0).random((28, 28))
    p = np.random.default_rng(1).random((3, 28, 28))
    x = grey(channels=3)
    assert np.allclose(t.MaskedPattern(mask=mask, pattern=p)(x), x * (1 - mask) + p * mask, atol=1e-6)
    with pytest.raises(InputError, match="make the trigger"):
        t.MaskedPattern(mask=mask, pattern=p)(grey(channels=1))
    with pytest.raises(InputError, match=r"in \[0, 1\]"):
        t.MaskedPattern(mask=mask + 1, pattern=p)


def test_noisy_cover_has_noise_of_its_sigmas():
    x = np.full((40, 1, 28, 28), 0.5, dtype=np.float32)
    trigger = t.NoisyCover(trigger=t.Patch(), sigmas=(0.01, 0.1))
    cover = trigger.as_cover(x, seed=0, rows=range(40))
    spread = (cover - t.Patch()(x))[:, 0, :20, :20].std(axis=(1, 2))
    quiet = spread < 0.05
    assert np.allclose(spread[quiet], 0.01, rtol=0.15)
    assert np.allclose(spread[~quiet], 0.1, rtol=0.15)
    assert 5 < quiet.sum() < 35
    assert np.array_equal(trigger.in_training(x, seed=0, rows=range(40)), t.Patch()(x))


@pytest.mark.parametrize(
    "make",
    [
        lambda: t.Blended(alpha=2),
        lambda: t.Blended(pattern=np.full((1, 2, 2), 9)),
        lambda: t.Sinusoid(delta=40),
        lambda: t.Sinusoid(frequency=0),
        lambda: t.Sinusoid(frequency=6)(grey(size=12)),
        lambda: t.Warp(k=1),
        lambda: t.Quantise(levels=1),
        lambda: t.LowFrequency(amplitude=-1),
        lambda: t.LowFrequency(perturbation=np.zeros((1, 2, 2))),
        lambda: t.FTrojan(positions=(32,)),
        lambda: t.FTrojan(magnitude=-1),
        lambda: t.AdaptiveBlend(pieces=0),
        lambda: t.AdaptiveBlend(masked=1.5),
        lambda: t.AdaptivePatch(size=2),
        lambda: t.AdaptivePatch(opacity=2),
        lambda: t.MaskedPattern(mask=np.zeros((2, 2)), pattern=np.zeros((1, 3, 3))),
        lambda: t.NoisyCover(trigger=t.Patch(), sigmas=()),
        lambda: t.NoisyCover(trigger=3),
    ],
)
def test_settings_are_checked_when_made(make):
    with pytest.raises(InputError, match="expected"):
        make()
