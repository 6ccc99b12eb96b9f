"""study patterns: conditions hold what they say, equal success is equal, and the judgements are right."""

from __future__ import annotations

import numpy as np
import pytest

from doldrum.attacks import get_victim
from doldrum.data import ImageSet
from doldrum.errors import InputError
from doldrum.stats.auroc import auroc
from doldrum.studies import get_study, load_grid
from doldrum.studies.patterns.conditions import FPR, fade_to, faded, judged
from doldrum.studies.patterns.study import OWN, PATTERNS, PatternCell, run

TINY = {
    # The last strength repeats the one before it: on digits W never comes down again, and its peak must lie inside.
    "data": "digits", "recipe": "digits-mlp", "inputs": 40, "pick": 20, "draws": 10, "calibration": 60, "size": 4,
    "strengths": (0.1, 0.4, 1.0, 3.0, 3.001), "rate": 0.1,
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def victims(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOLDRUM_VICTIMS", str(tmp_path_factory.mktemp("victims")))
        yield


@pytest.fixture(scope="module")
def backdoored():
    return run(PatternCell(**TINY, attack="badnets"))


def test_conditions_are_measured_on_inputs_that_are_not_of_the_class_and_reach_their_levels(backdoored):
    found = backdoored["conditions"]
    assert found["clean"]["share"] == 0
    assert found["full"]["share"] > 0.9
    n = backdoored["inputs"]
    for level in (0.5, 0.9):
        assert level <= found[f"{level:g}"]["share"] <= level + 2 / n
    assert found["0.5"]["amount"] < found["0.9"]["amount"] < 1


def test_figures_agree_with_one_another_and_with_the_model(backdoored):
    victim = get_victim(PatternCell(**TINY, attack="badnets").victim)
    assert backdoored["class"] == victim.plan.target
    for condition in backdoored["conditions"].values():
        each_w, each_keep, hit = (np.array(condition[k]) for k in ("each_w", "each_keep", "hit"))
        assert each_w.shape == (backdoored["inputs"], len(backdoored["strengths"]))
        assert np.allclose(each_w.mean(0), condition["w"], atol=1e-3)
        assert np.allclose(each_keep.mean(0), condition["keep"], atol=1e-3)
        assert condition["share"] == pytest.approx(hit.mean(), abs=1e-5)
        # All draws keep the label exactly where W is 0 and the label is the one that draws get.
        assert (each_w[each_keep == 1] == 0).all()
    assert "hit_w" not in backdoored["conditions"]["clean"]


def test_a_true_trigger_is_calmer_and_caught_and_its_patch_on_a_clean_model_is_neither(backdoored):
    clean = run(PatternCell(**TINY))
    at = backdoored["strengths"].index(backdoored["sigma_half"])
    true, patch = (v["conditions"] for v in (backdoored, clean))
    assert true["full"]["w"][at] < true["clean"]["w"][at] - 0.2
    assert patch["full"]["w"][at] > patch["clean"]["w"][at] - 0.2
    assert true["full"]["judged"]["strip"]["auroc"] > 0.9
    assert patch["full"]["judged"]["strip"]["auroc"] < 0.75
    assert backdoored["sigma_half"] == clean["sigma_half"]  # that of the clean model, for both


@pytest.mark.parametrize("pattern", ["uap-targeted", "logo"])
def test_a_pattern_is_made_on_the_clean_model_of_its_seed_and_gives_the_same_again(pattern):
    cell = PatternCell(**TINY, pattern=pattern, seed=1)
    assert cell.victim == cell.clean()
    found = run(cell)
    assert found == run(cell)
    assert found["target"] == 1
    assert found["conditions"]["clean"]["share"] == 0


def test_faded_images_lie_between_and_the_amount_is_the_smallest_that_does():
    images = np.zeros((50, 1, 1, 1), dtype=np.float32)
    full = np.linspace(0.02, 1, 50, dtype=np.float32).reshape(-1, 1, 1, 1)
    assert np.allclose(faded(images, full, 0.25), full / 4)

    def share(x):
        return float((x >= 0.3).mean())

    amount = fade_to(0.4, images, full, share)
    # The 20th brightest, .62, must reach .3.
    assert amount == pytest.approx(0.3 / 0.62, abs=2**-9)
    assert share(faded(images, full, amount)) >= 0.4
    assert share(faded(images, full, amount - 2**-9)) < 0.4
    assert fade_to(0.9, images, full, share) is None


def test_auroc_agrees_with_counting_pairs():
    draw = np.random.default_rng(0)
    clean, other = draw.integers(0, 6, 40).astype(float), draw.integers(2, 9, 30).astype(float)
    pairs = [(o > c) + (o == c) / 2 for c in clean for o in other]
    assert auroc(clean, other) == pytest.approx(np.mean(pairs))


def test_flags_keep_their_promise_on_inputs_like_the_calibration_ones():
    """Scores with heavy ties, as W's are: the mean rate over repetitions stays at 5%, and clear outliers are all flagged."""
    draw = np.random.default_rng(1)
    rates = []
    for _ in range(60):
        pixels = draw.random((300, 1, 2, 2), dtype=np.float32)
        scores = draw.integers(0, 3, 300).astype(float)
        shown = {"clean": pixels[100:200], "full": pixels[200:]}
        found = judged(
            {"clean": scores[100:200], "full": np.full(100, 9.0)}, shown, ImageSet(pixels[:100]), scores[:100]
        )
        rates.append(found["clean"]["flagged"])
        assert found["full"] == {"auroc": 1.0, "flagged": 1.0}
    # Standard error of the mean about .004.
    assert 0.03 < np.mean(rates) < FPR + 0.012


def test_grids_name_every_pattern_once_with_seeds_that_rotate_the_target():
    name, cells = load_grid(get_study("patterns"), "full")
    assert name == "full"
    clean = {(c.pattern, c.seed) for c in cells if c.attack == "clean"}
    assert clean == {(p, s) for p in (OWN, *PATTERNS) for s in range(10)}
    assert {c.target for c in cells} == set(range(10))
    assert load_grid(get_study("patterns"), "quick")[1]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"pattern": "uap-target"}, "did you mean 'uap-targeted'"),
        ({"attack": "all-to-all"}, "sends inputs to one class"),
        ({"levels": ()}, "levels to be a list of numbers above 0"),
        ({"levels": (0.0,)}, "levels to be a list of numbers above 0"),
        ({"budget": 0}, "budget in"),
        ({"size": 2}, "size to be a whole number of at least 3"),
        ({"calibration": 5}, "calibration to be a whole number of at least 19"),
    ],
)
def test_a_cell_that_makes_no_sense_is_refused_when_made(given, message):
    with pytest.raises(InputError, match=message):
        PatternCell(**{**TINY, **given})
