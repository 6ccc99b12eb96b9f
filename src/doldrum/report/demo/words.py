"""Sentences about the results of a demo. All numbers are computed from the demo's record. There are also sentences for
unusual results, such as a trigger without an effect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from doldrum.records import COMBINATIONS, DemoRecord, ModelSummary
from doldrum.report.demo.expected import EXPECTED
from doldrum.report.words import percent, w

__all__ = [
    "backdoored_sentence",
    "change_limits",
    "clean_sentence",
    "curves_alt",
    "distribution_alt",
    "effect",
    "ending_sentence",
    "headline",
    "hidden_sentence",
    "range_sentence",
    "reversal_sentence",
    "setting_sentence",
    "zero_share",
]

Effect = Literal["smoother", "less smooth", "same"]


def effect(model: ModelSummary) -> Effect:
    """The direction in which the trigger changes mean W. The result is "same" if the interval of the paired change
    contains 0."""
    low, high = model.w_change_ci
    return "smoother" if high < 0 else "less smooth" if low > 0 else "same"


def change_limits(model: ModelSummary) -> str:
    """The size of the change of mean W, with its confidence limits.

    The change is paired: each input is compared with the same input with the trigger, under the same noise draws.
    """
    low, high = sorted(map(abs, model.w_change_ci))
    if effect(model) == "same":
        return f"change {model.w_change:+.3f} ({model.w_change_ci[0]:+.3f} to {model.w_change_ci[1]:+.3f})"
    return f"by {w(abs(model.w_change))} ({w(low)} to {w(high)})"


def headline(record: DemoRecord) -> str:
    """A headline that says how the trigger changes W on the backdoored model."""
    bad = record.backdoored
    match effect(bad):
        case "smoother" if bad.w_triggered == 0:
            return f"With the trigger, labels hardly change: W falls {change_limits(bad)}"
        case "smoother":
            return f"With the trigger, labels change less: W falls {change_limits(bad)}"
        case "less smooth":
            return "The trigger does not make the model smoother here: labels change more"
        case _:
            return "No effect of the trigger on W is shown here"


def backdoored_sentence(record: DemoRecord) -> str:
    """A sentence about the effect of the trigger on the backdoored model."""
    m = record.backdoored
    what, ends = "Mean W, the entropy of the labels under noise,", f"from {w(m.w_clean)} to {w(m.w_triggered)}"
    start = "With the trigger, the backdoored network is"
    match effect(m):
        case "smoother":
            all_one = ": all noisy copies of an input get the same label" if m.w_triggered == 0 else ""
            return f"{start} smoother{all_one}. {what} falls {change_limits(m)}, {ends}"
        case "less smooth":
            return f"{start} less smooth, not smoother. {what} rises {change_limits(m)}, {ends}"
        case _:
            nothing = "On the backdoored network the trigger shows no effect on these inputs"
            return f"{nothing}. {what} changes {ends}, {change_limits(m)}"


def range_sentence(record: DemoRecord) -> str:
    """Sentences that compare the fall of W in this run with the fall of W in runs with other seeds and machines.

    The result is empty if no earlier runs are known for the settings of this run. By chance, a new run of the same kind
    is below all known runs with probability 1 / (runs + 1), and above all of them with the same probability.
    """
    known = EXPECTED.get(record.scale)
    if known is None:
        return ""
    low, high = known.fell
    fall = round(-record.backdoored.w_change, 2)
    side = "below" if fall < low else "above" if fall > high else ""
    chance = f" By chance, 1 of {known.runs + 1} runs is {side} the range of the others." if side else ""
    here = f"fell by {fall:.2f}" if fall >= 0 else f"rose by {-fall:.2f}"
    return (
        f"With another seed, or on another kind of processor, training gives a different network. Over {known.fp32} seeds in fp32 and {known.bf16} in bf16, "
        f"mean W fell by {low:.2f} to {high:.2f}. In this run, mean W {here}, which is {side or 'inside'} that range.{chance}"
    )


def clean_sentence(record: DemoRecord) -> str:
    """A sentence about the trigger's effect on the clean model, which was trained without the trigger."""
    m = record.clean
    numbers = f"mean W is {w(m.w_clean)} without it and {w(m.w_triggered)} with it"
    found = effect(m)
    small = abs(m.w_triggered - m.w_clean) <= 0.03
    if found == "same":
        return f"On a clean network the same trigger shows no effect on these inputs: {numbers}"
    if small:
        return f"On a clean network the same trigger changes little: {numbers}"
    return f"On a clean network the same trigger makes the model {found} too: {numbers}"


def setting_sentence(record: DemoRecord) -> str:
    """Sentences about the training and about how well the attack worked."""
    m, rate, target = record.backdoored, record.plan.get("rate"), record.plan.get("target")
    share = f"{100 * rate:.3g}% of its" if isinstance(rate, float) else "some of its"
    known = type(target) is int and 0 <= target < len(record.class_names)
    as_what = f" relabelled “{record.class_names[target]}”" if known else " relabelled"  # type: ignore[index]
    took = "and the trigger works" if m.asr >= 0.5 else "but the trigger rarely works"
    return (
        f"One network was trained with {share} training images stamped with a small pattern, the trigger, "
        f"and{as_what}. This network is right on {percent(m.clean_accuracy)} of clean test images, {took}: "
        f"{percent(m.asr)} of triggered images get the attacker’s label."
    )


def reversal_sentence(record: DemoRecord) -> str:
    """A sentence about the noise strengths at which triggered inputs have a higher W than clean inputs on the
    backdoored model. The result is empty if there are no such strengths."""
    by_key = {c.key: c for c in record.curves}
    clean, triggered = by_key["backdoored/clean"], by_key["backdoored/triggered"]
    high = dict(zip(clean.strengths, clean.upper, strict=True))
    rough = [s for s, low in zip(triggered.strengths, triggered.lower, strict=True) if s in high and low > high[s]]
    if not rough:
        return ""
    where = (
        f"σ = {rough[0]:.3g}"
        if len(rough) == 1
        else f"{len(rough)} strengths between {rough[0]:.3g} and {rough[-1]:.3g}"
    )
    found = f"At {where}, triggered inputs have the higher mean W"
    if rough[0] <= record.sigma_half:
        return f"{found}."
    return (
        f"{found}: such strong noise can hide a small trigger before it hides the image. So it matters at which noise "
        "strength W is measured."
    )


def ending_sentence(record: DemoRecord) -> str:
    """A sentence that explains why all lines of the figure fall at the right. The result is empty if some line does not
    fall there."""
    if all(c.mean[-1] < max(c.mean) / 2 for c in record.curves):
        return (
            "All lines fall at the right: strong noise hides the image, and then the network gives only a few labels."
        )
    return ""


def hidden_sentence(record: DemoRecord) -> str:
    """A sentence that explains why a band is wide where its line is at 0; empty if no line reaches 0."""
    if all(mean > 1e-12 for c in record.curves for mean in c.mean):
        return ""
    return f"If a line is at 0, no label changed there. The band around the line shows which values of W cannot be ruled out with {record.backdoored.draws:,} draws."


def curves_alt(record: DemoRecord) -> str:
    """The text alternative (alt text) of the figure with the curves of W."""
    parts = []
    for c in record.curves:
        top = max(range(len(c.mean)), key=c.mean.__getitem__)
        parts.append(
            f"{c.model} model, {c.inputs} inputs: {w(c.mean[0])} at strength {c.strengths[0]:g}, highest "
            f"{w(c.mean[top])} at {c.strengths[top]:g}, {w(c.mean[-1])} at {c.strengths[-1]:g}"
        )
    return "Line chart of mean W against the strength of the noise. " + ". ".join(parts) + "."


def distribution_alt(record: DemoRecord) -> str:
    """The text alternative (alt text) of the figure with the distribution of W."""
    parts = []
    for model, inputs in COMBINATIONS:
        values = sorted(record.w_at_half[f"{model}/{inputs}"])
        middle = (values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2
        parts.append(f"{model} model, {inputs} inputs: {percent(zero_share(values))} at exactly 0, median {w(middle)}")
    return "Step chart of the share of inputs whose W is at most a given value. " + ". ".join(parts) + "."


def zero_share(values: Sequence[float]) -> float:
    """The share of inputs whose W is exactly 0, because every draw gave the same label."""
    return sum(v < 1e-12 for v in values) / len(values)
