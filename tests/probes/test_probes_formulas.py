"""Families of image perturbations against their formulas, written out again."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, map_coordinates, shift
from test_probes_families import drawn, picture

import doldrum as dd
from doldrum.errors import InputError

P = dd.probes


def test_superimpose_adds_or_blends_each_overlay_once() -> None:
    overlays, image = picture((7, 3, 4, 5), 1), picture((3, 4, 5))
    order = dd.seeds.rng(2, "superimpose").permutation(7)
    edge = [(y, x) for y in range(4) for x in range(5) if y in (0, 3) or x in (0, 4)]  # 14 pixels of each of 7 overlays
    middle = [np.sort([o[c][at] for o in overlays for at in edge])[48:50].mean() for c in range(3)]
    background = np.array(middle)[:, None, None]
    for mode in ("add", "relative", "blend"):
        out = drawn(P.Superimpose(overlays, [0.6], seed=2, mode=mode), image, 0, 0, 7)
        for j in range(7):
            kept = 0.4 * image if mode == "blend" else image
            over = overlays[order[j]] - (background if mode == "relative" else 0)
            assert np.allclose(out[j], np.clip(kept + 0.6 * over, 0, 1), atol=1e-6)
    few = drawn(P.Superimpose(overlays, [0.6], draws=3, seed=2), image, 0, 0, 3)
    assert np.array_equal(few, drawn(P.Superimpose(overlays, [0.6], seed=2), image, 0, 0, 3))
    assert sorted(order) == list(range(7))


@pytest.mark.parametrize("level", [0.0, 0.5, 0.9])
def test_a_relative_overlay_keeps_the_background_and_shows_both_objects(level) -> None:
    """Two objects on a plain background."""
    image, over = np.full((2, 3, 8, 8), level, dtype=np.float32)
    image[:, 1, 1] = over[:, 6, 6] = 0.7
    out = drawn(P.Superimpose(over[None], mode="relative"), image, 0, 0, 1)[0]
    wanted = np.full((3, 8, 8), level)
    wanted[:, 1, 1] = wanted[:, 6, 6] = 0.7
    assert np.allclose(out, wanted, atol=1e-6)


def test_relative_overlays_of_black_pictures_are_those_of_the_paper() -> None:
    digits, image = dd.load_dataset("digits:test").images[:19], picture((1, 8, 8))
    relative, added = (drawn(P.Superimpose(digits, mode=mode), image, 0, 0, 19) for mode in ("relative", "add"))
    assert np.array_equal(relative, added)


def test_superimpose_knows_its_overlays() -> None:
    overlays = picture((5, 1, 4, 4), 1)
    probe = P.Superimpose(overlays, draws=2)
    settings = probe.to_dict()
    changed = overlays.copy()
    changed[4, 0, 0, 0] = 0
    with pytest.raises(InputError, match="overlays with another hash"):
        P.probe_from_dict(settings, overlays=changed)
    with pytest.raises(InputError, match="pass overlays"):
        P.probe_from_dict(settings)
    pixels = (overlays * 255).astype(np.uint8)
    assert np.array_equal(P.Superimpose(pixels).overlays, pixels.astype(np.float32) / 255)
    for wrong in (overlays[0], overlays[:0], overlays * 3, np.full_like(overlays, np.nan)):
        with pytest.raises(InputError, match="expected"):
            P.Superimpose(wrong)
    for settings in ({"draws": 6}, {"mode": "mix"}, {"strengths": [2.0]}):
        with pytest.raises(InputError, match="expected"):
            P.Superimpose(overlays, **settings)
    with pytest.raises(InputError, match="resize"):
        probe.bind((1, 5, 5))


@pytest.mark.parametrize("strength", [0.3, 0.5, 1.0])
def test_cutmix_replaces_one_strip_per_draw_and_nothing_else(strength) -> None:
    overlays, image = picture((9, 2, 5, 8), 1), picture((2, 5, 8))
    order = dd.seeds.rng(3, "cutmix").permutation(9)
    out = drawn(P.CutMix(overlays, [strength], seed=3), image, 0, 0, 9)
    high, wide = round(strength * 5), round(strength * 8)
    for j in range(9):
        for y, x in np.ndindex(5, 8):
            pasted = (x < wide, x >= 8 - wide, y < high, y >= 5 - high)[j % 4]
            assert np.array_equal(out[j, :, y, x], (overlays[order[j]] if pasted else image)[:, y, x])


def test_hybrid_images_have_the_details_of_one_and_the_coarse_part_of_the_other() -> None:
    """Waves, which a Gaussian filter only makes weaker: exp(-(f/s)^2 / 2) of the amplitude at f cycles per side."""
    side = 64
    x = (np.arange(side) + 0.5) / side

    def wave(cycles: float) -> np.ndarray:
        return np.broadcast_to(np.cos(2 * np.pi * cycles * x), (1, side, side)).astype(np.float32)

    middle = slice(24, 40)  # far from the edges
    for cutoff in (4.0, 8.0):
        for fine, coarse in ((12.0, 2.0), (6.0, 6.0)):
            image, over = 0.5 + 0.2 * wave(fine), 0.5 + 0.2 * wave(coarse)
            out = drawn(P.Hybrid(over[None], [cutoff]), image, 0, 0, 1)[0]
            kept, lost = (np.exp(-((f / cutoff) ** 2) / 2) for f in (coarse, fine))
            expected = 0.5 + 0.2 * kept * wave(coarse) + 0.2 * (1 - lost) * wave(fine)
            assert np.abs(out - expected)[0, middle, middle].max() < 2e-3
    bright = drawn(P.Hybrid(np.ones((1, 1, 8, 8)), [1e-3]), picture((1, 8, 8)), 0, 0, 1)
    assert 0.9 < bright.mean() <= 1  # the mean is the coarsest part
    assert bright.max() == 1


def test_hybrids_use_each_overlay_at_every_strength() -> None:
    overlays, image = picture((5, 3, 6, 4), 1), picture((3, 6, 4))
    order = dd.seeds.rng(2, "hybrid").permutation(5)
    probe = P.Hybrid(overlays, [0.5, 2.0], draws=3, seed=2)
    for c, s in enumerate(probe.strengths):
        spread = 4 / (2 * np.pi * s)
        low = [
            np.stack([gaussian_filter(part, spread, mode="nearest") for part in one])
            for one in (image, *overlays[order])
        ]
        for j, out in enumerate(drawn(probe, image, c, 0, 3)):
            assert np.allclose(out, np.clip(image - low[0] + low[1 + j], 0, 1), atol=1e-5)


def test_flips_are_the_symmetries_of_a_square() -> None:
    image = picture((3, 5, 5))
    out = drawn(P.Flip(draws=9), image, 0, 0, 9)
    expected = [
        image[:, :, ::-1], image[:, ::-1], image[:, ::-1, ::-1], np.rot90(image, 1, (1, 2)), np.rot90(image, -1, (1, 2)),
        image.transpose(0, 2, 1), np.rot90(image, 2, (1, 2)).transpose(0, 2, 1),
    ]  # fmt: skip
    assert np.array_equal(out[:7], expected)
    assert np.array_equal(out[7:], expected[:2])
    with pytest.raises(InputError, match="only strength"):
        P.Flip([0.5])


def test_a_turned_image_that_is_not_square_is_stretched() -> None:
    image = picture((1, 2, 4))
    out = drawn(P.Flip(draws=7), image, 0, 0, 7)[:, 0]
    square = np.repeat(np.repeat(image[0], 4, axis=0), 2, axis=1)  # 8 x 8
    for j, turned in ((3, np.rot90(square, 1)), (4, np.rot90(square, -1)), (5, square.T)):
        assert all(out[j, y, x] in turned[4 * y : 4 * y + 4, 2 * x : 2 * x + 2] for y in range(2) for x in range(4))
    assert np.array_equal(out[2], image[0, ::-1, ::-1])


@pytest.mark.parametrize("made", [P.CutMix, lambda o, **k: P.Hybrid(o, [2.0], **k)])
def test_probes_with_overlays_know_them(made) -> None:
    overlays = picture((5, 1, 4, 4), 1)
    settings = made(overlays, draws=2).to_dict()
    assert P.probe_from_dict(settings, overlays=overlays).to_dict() == settings
    with pytest.raises(InputError, match="overlays with another hash"):
        P.probe_from_dict(settings, overlays=1 - overlays)
    with pytest.raises(InputError, match="pass overlays"):
        P.probe_from_dict(settings)
    with pytest.raises(InputError, match="at least 6 overlays"):
        made(overlays, draws=6)
    with pytest.raises(InputError, match="resize"):
        made(overlays).bind((1, 5, 5))
    with pytest.raises(InputError, match="at most 1"):
        P.CutMix(overlays, [1.5])


def test_the_default_families_take_64_forwards_with_the_unperturbed_image() -> None:
    for overlays, forwards in ((0, 36), (1, 40), (7, 51), (14, 64)):
        probes = [*P.default_families((1, 28, 28)).values()]
        probes += P.overlay_families(picture((max(overlays, 1), 1, 28, 28)), P.overlay_draws(overlays)).values()
        assert 1 + sum(len(p.strengths) * p.draws for p in probes) == forwards
    counts = [tuple(P.overlay_draws(n).values()) for n in range(1, 40)]
    assert all(a <= b for one, two in itertools.pairwise(counts) for a, b in zip(one, two, strict=True))  # stages add


def test_scale_multiplies_and_clips() -> None:
    image = picture((1, 5, 5))
    for c, k in enumerate((3, 5, 7, 9, 11)):
        assert np.allclose(drawn(P.Scale(), image, c, 0, 1)[0], np.minimum(k * image, 1))


def test_shift_moves_by_whole_pixels_uniformly() -> None:
    image = picture((2, 9, 9))
    out = drawn(P.Shift([2], draws=500), image, 0, 0, 500)
    moves = {
        (dy, dx): shift(image, (0, dy, dx), order=0, mode="nearest")
        for dy in range(-2, 3)
        for dx in range(-2, 3)
    }  # fmt: skip
    times = [sum(np.array_equal(draw, moved) for draw in out) for moved in moves.values()]
    assert sum(times) == 500
    assert min(times) > 5  # 20 expected, standard deviation 4.4
    assert max(times) < 40
    with pytest.raises(InputError, match="whole numbers"):
        P.Shift([1.5])


def test_warp_reads_bilinearly_along_a_smooth_field_of_the_stated_size() -> None:
    probe = P.Warp([1.5], draws=40, seed=1)
    bound = probe.bind((1, 16, 16))
    rows, columns = np.indices((16, 16)).astype(float)
    ramps = [np.stack([part / 16]).astype(np.float32) for part in (rows, columns)]
    out = [drawn(probe, ramp, 0, 0, 40)[:, 0] * 16 for ramp in ramps]
    inside = np.s_[:, 6:10, 6:10]  # ramps read positions off, and are exact where nothing was cut
    moves = [out[0] - rows, out[1] - columns]
    assert np.sqrt(np.mean([(m[inside] ** 2).mean() for m in moves])) == pytest.approx(1.5, rel=0.35)
    assert np.abs(np.diff(np.diff(moves[0], axis=1), axis=1)[inside]).max() < 0.8
    image = picture((1, 16, 16))
    for j in range(3):
        expected = map_coordinates(image[0], [out[0][j], out[1][j]], order=1)
        got = np.empty((1, 1, 16, 16), np.float32)
        bound.fill(image, 0, j, j + 1, got)
        assert np.abs(got[0, 0] - expected).max() < 1e-4
    with pytest.raises(InputError, match="control points"):
        P.Warp([1.0], control=1)


def test_geometry_takes_images_of_one_row() -> None:
    image = picture((1, 1, 6))
    for probe in (P.Warp([1.0], draws=3), P.Shift([2], draws=3)):
        out = drawn(probe, image, 0, 0, 3)
        assert out.min() >= image.min() - 1e-6
        assert out.max() <= image.max() + 1e-6


def test_contrast_is_its_formula() -> None:
    image = picture((3, 4, 4))
    out = drawn(P.Contrast([0.6], draws=30, seed=5), image, 0, 0, 30)
    for j in range(30):
        a, b = dd.seeds.rng(5, "contrast", j).uniform(-1, 1, size=(2, 1, 1, 1)).ravel()
        assert np.allclose(out[j], np.clip((1 + 0.6 * a) * (image - 0.5) + 0.5 + 0.6 * b, 0, 1), atol=1e-6)
