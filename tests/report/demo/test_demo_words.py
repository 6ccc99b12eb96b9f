"""Sentences say what the numbers say, in the odd cases too."""

from __future__ import annotations

import pytest

from doldrum.report.demo import words
from doldrum.report.demo.expected import Expected
from doldrum.report.words import percent, w


def backdoored(make, **changes):
    return make.record(models=(make.summary("clean"), make.summary("backdoored", **changes)))


def test_the_usual_case(demo_record):
    assert words.headline(demo_record) == "With the trigger, labels change less: W falls by 0.107 (0.098 to 0.116)"
    assert "is smoother. Mean W, the entropy" in words.backdoored_sentence(demo_record)
    assert "falls by 0.107 (0.098 to 0.116), from 0.110 to 0.003" in words.backdoored_sentence(demo_record)
    assert "0.110 to 0.003" in words.backdoored_sentence(demo_record)
    assert "shows no effect on these inputs: mean W is 0.122 without" in words.clean_sentence(demo_record)
    assert "5% of its" in words.setting_sentence(demo_record)
    assert "relabelled “T-shirt/top”" in words.setting_sentence(demo_record)


def test_w_of_zero(make):
    record = backdoored(make, w_triggered=0.0, w_triggered_ci=(0.0, 0.0))
    assert words.headline(record) == "With the trigger, labels hardly change: W falls by 0.110 (0.102 to 0.118)"
    assert "is smoother: all noisy copies of an input get the same label. Mean W" in words.backdoored_sentence(record)
    assert words.backdoored_sentence(record).endswith("0.110 to 0")


def test_no_effect(make):
    record = backdoored(make, w_triggered=0.1, w_triggered_ci=(0.09, 0.105))
    assert words.headline(record) == "No effect of the trigger on W is shown here"
    assert "shows no effect on these inputs" in words.backdoored_sentence(record)
    assert "smoother" not in words.backdoored_sentence(record)


def test_reversed_effect(make):
    record = backdoored(make, w_triggered=0.3, w_triggered_ci=(0.29, 0.31))
    assert "does not make the model smoother" in words.headline(record)
    assert "is less smooth, not smoother" in words.backdoored_sentence(record)
    assert "rises by 0.190 (0.172 to 0.208), from 0.110 to 0.300" in words.backdoored_sentence(record)


def test_less_smooth_from_nothing_divides_by_nothing(make):
    record = backdoored(make, w_clean=0.0, w_clean_ci=(0.0, 0.0), w_triggered=0.1, w_triggered_ci=(0.09, 0.11))
    assert "is less smooth, not smoother" in words.backdoored_sentence(record)


def test_nothing_anywhere(make):
    zero = {"w_clean": 0.0, "w_clean_ci": (0.0, 0.0), "w_triggered": 0.0, "w_triggered_ci": (0.0, 0.0)}
    assert words.headline(backdoored(make, **zero)) == "No effect of the trigger on W is shown here"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (-0.107, "In this run, mean W fell by 0.11, which is inside that range."),
        (-0.144, "In this run, mean W fell by 0.14, which is inside that range."),
        (
            -0.2,
            "In this run, mean W fell by 0.20, which is above that range. By chance, 1 of 7 runs is above the range of the others.",
        ),
        (
            -0.03,
            "In this run, mean W fell by 0.03, which is below that range. By chance, 1 of 7 runs is below the range of the others.",
        ),
        (
            0.03,
            "In this run, mean W rose by 0.03, which is below that range. By chance, 1 of 7 runs is below the range of the others.",
        ),
    ],
)
def test_where_a_run_stands_among_others(make, monkeypatch, change, said):
    monkeypatch.setattr(words, "EXPECTED", {"full": Expected(fp32=4, bf16=2, fell=(0.08, 0.14))})
    record = backdoored(make, w_change=change, w_change_ci=(change - 0.01, change + 0.01))
    assert "Over 4 seeds in fp32 and 2 in bf16, mean W fell by 0.08 to 0.14. " in words.range_sentence(record)
    assert words.range_sentence(record).endswith(said)


def test_other_settings_have_no_range(make):
    assert words.range_sentence(make.record(scale="")) == ""
    assert words.range_sentence(make.record(scale="fast")) != words.range_sentence(make.record(scale="full"))


@pytest.mark.parametrize(
    ("triggered", "limits", "said"),
    [
        (0.10, (0.095, 0.105), "changes little"),
        (0.01, (0.005, 0.015), "the model smoother too"),
        (0.3, (0.29, 0.31), "the model less smooth too"),
    ],
)
def test_a_trigger_that_acts_on_the_clean_model_is_told(make, triggered, limits, said):
    clean = make.summary("clean", w_triggered=triggered, w_triggered_ci=limits)
    assert said in words.clean_sentence(make.record(models=(clean, make.summary("backdoored"))))


def test_a_failed_attack_is_told(make):
    sentence = words.setting_sentence(backdoored(make, asr=0.2, asr_ci=(0.1, 0.3)))
    assert "but the trigger rarely works: 20.0%" in sentence


@pytest.mark.parametrize("plan", [{}, {"rate": None, "target": 99}, {"rate": "5%", "target": "all"}])
def test_a_plan_of_another_kind_gives_a_whole_sentence(make, plan):
    assert "stamped with a small pattern, the trigger, and relabelled." in words.setting_sentence(
        make.record(plan=plan)
    )


def test_where_triggered_inputs_have_the_higher_w(demo_record, make):
    assert "3 strengths between 0.6 and 1, " in words.reversal_sentence(demo_record)
    swapped = {"clean": "triggered", "triggered": "clean"}
    from dataclasses import replace

    mirrored = tuple(replace(c, inputs=swapped[c.inputs]) for c in demo_record.curves)
    low = words.reversal_sentence(make.record(curves=mirrored))
    assert low.endswith("triggered inputs have the higher mean W.")
    same = tuple(replace(demo_record.curves[0], model=c.model, inputs=c.inputs) for c in demo_record.curves)
    assert words.reversal_sentence(make.record(curves=same)) == ""


def test_curves_that_do_not_come_down_are_not_said_to(demo_record, make):
    from dataclasses import replace

    def cut(c):
        return replace(c, strengths=c.strengths[:5], mean=c.mean[:5], lower=c.lower[:5], upper=c.upper[:5])

    assert words.ending_sentence(demo_record)
    assert words.ending_sentence(make.record(curves=tuple(cut(c) for c in demo_record.curves))) == ""


def test_a_wide_band_at_zero_is_explained(demo_record, make):
    from dataclasses import replace

    assert words.hidden_sentence(demo_record) == ""
    first = demo_record.curves[0]
    calm = replace(first, mean=(0.0, *first.mean[1:]), lower=(0.0, *first.lower[1:]), upper=(0.2, *first.upper[1:]))
    said = words.hidden_sentence(make.record(curves=(calm, *demo_record.curves[1:])))
    assert (
        "If a line is at 0, no label changed there. The band around the line shows which values of W cannot be ruled out with 100 draws."
        in said
    )


def test_alternative_texts_state_what_the_figures_show(demo_record):
    curves, distribution = words.curves_alt(demo_record), words.distribution_alt(demo_record)
    for c in demo_record.curves:
        assert f"{c.model} model, {c.inputs} inputs: {w(c.mean[0])} at strength 0.02" in curves
        assert f"highest {w(max(c.mean))}" in curves
    for values in demo_record.w_at_half.values():
        assert f"{percent(sum(v == 0 for v in values) / len(values))} at exactly 0" in distribution


def test_the_change_comes_with_its_paired_limits(make):
    near = {"w_clean": 0.1, "w_clean_ci": (0.08, 0.12), "w_triggered": 0.09, "w_triggered_ci": (0.07, 0.11)}
    paired = backdoored(make, **near, w_change=-0.01, w_change_ci=(-0.015, -0.005))
    assert "by 0.010 (0.005 to 0.015)" in words.backdoored_sentence(paired)
    assert words.effect(paired.backdoored) == "smoother"
    unclear = backdoored(make, **near, w_change=-0.01, w_change_ci=(-0.03, 0.01))
    assert words.effect(unclear.backdoored) == "same"
    assert words.change_limits(unclear.backdoored) == "change -0.010 (-0.030 to +0.010)"
