"""docs/results/index.md: the results at a glance."""

from __future__ import annotations

from collections.abc import Iterator

from doldrum.records.attacks import IMAGE_WIDE_HELD_OUT
from results.figures import Studies, limits, mean, mean_over_attacks, short, signed
from results.quotes import detection
from results.quotes import photographs as pictures

PAGE = "docs/results/index.md"
STRIP, PROFILE = "strip", "profile"


def quotes(studies: Studies) -> Iterator[str]:
    yield from (f"| {where} | {ours} | {strip} |" for where, ours, strip in detectors(studies))
    yield compared(studies)
    yield earlier(studies)
    yield models(studies)
    yield repaired(studies)
    yield cleansing(studies)
    yield from findings(studies)
    yield photographs(studies)
    yield f"the smoothness profile finds only {detectors(studies)[-1][1]} of the triggered inputs"


def detectors(studies: Studies) -> list[tuple[str, str, str]]:
    """Where it was measured, and what the profile and STRIP find there at 1% and 64 forward passes."""

    def both(study: str, attacks: tuple[str, ...]) -> tuple[str, str]:
        ours, strip = (short(detection.found(studies, study, d, "equal", attacks)) for d in (PROFILE, STRIP))
        return ours, strip

    twelve, kept_out = detection.TWELVE, detection.HELD_OUT
    return [
        (f"Fashion-MNIST, {len(twelve)} attacks used in the design", *both("detection-fashion", twelve)),
        (f"Fashion-MNIST, {len(kept_out)} attacks kept out of the design (*)", *both("detection-fashion", kept_out)),
        ("an MLP, 5 attacks", *both("detection-mlp", detection.FIVE)),
        ("Fashion-MNIST, 3 attacks with image-wide triggers, kept out of the design", *both("detection-wide", IMAGE_WIDE_HELD_OUT)),
        ("photographs of 100 classes, 8 attacks", *_photographed(studies, pictures.SMALL)),
        ("photographs of 400 classes, 4 attacks", *_photographed(studies, pictures.MANY)),
        ("photographs of 160 x 160 pixels, transfer learning, few clean images, 4 attacks", *_photographed(studies, pictures.TRANSFER)),
        ("emoji, in colour, 5 attacks", *both("detection-colour", detection.COLOUR)),
    ]  # fmt: skip


def earlier(studies: Studies) -> str:
    design, kept_out = (
        short(detection.found(studies, "detection", PROFILE, "equal", attacks))
        for attacks in (detection.TWELVE, detection.HELD_OUT)
    )
    return f"there `SmoothnessProfile` finds {design} for the twelve attacks, and {kept_out} for the four."


def photographs(studies: Studies) -> str:
    ours, strip = _photographed(studies, pictures.SMALL)
    return f"On photographs of 100 classes, the smoothness profile finds {ours} of the triggered inputs of eight attacks, and STRIP {strip}"


def _photographed(studies: Studies, study: str) -> tuple[str, str]:
    rows = (pictures.attacked(pictures.of(studies, study, d)) for d in (PROFILE, STRIP))
    ours, strip = (short(mean_over_attacks(each, "tpr1")) for each in rows)
    return ours, strip


def compared(studies: Studies) -> str:
    equal = studies["detection"]["numbers"]["equal"]
    words = {10: "ten"}
    return f"The study of detectors compares {words[len(equal)]} detectors on {max(r['models'] for r in equal)} models."


def models(studies: Studies) -> str:
    ours, classic = verdicts(studies)
    colour, _ = verdicts(studies, "inspection-colour")
    return (
        f"`doldrum inspect` flags {ours[0]} backdoored models and {ours[1]} clean models. The published rule of Neural Cleanse flags {classic[0]} "
        f"backdoored models and {classic[1]} clean models. In a study of emoji in colour, `doldrum inspect` flags {colour[0]} backdoored models and "
        f"{colour[1]} clean models."
    )


def repaired(studies: Studies) -> str:
    """Both seeds: that of the first was looked at while the method was chosen."""
    before, after, lost = _repairs(studies, "repair")
    again, left, _ = _repairs(studies, "repair-201")
    return (
        f"uses the trigger that the inspection found and 1,000 clean images. The repair lowers the mean success rate of 18 attacks from {100 * before:.0f}% to "
        f"{100 * after:.1f}%, at a cost of {100 * lost:.1f} percentage points of clean accuracy. On models that were trained with a second seed, the repair lowers the mean success rate from "
        f"{100 * again:.0f}% to {100 * left:.1f}%."
    )


def _repairs(studies: Studies, study: str) -> tuple[float, ...]:
    """Means over the attacked models: success before and after, accuracy lost."""
    rows = [r for r in studies.rows(study, "repairs", inputs=1000, method="unlearn") if r["attack"] != "clean"]
    return tuple(mean(r[name] for r in rows) for name in ("asr_before", "asr", "lost"))


def verdicts(studies: Studies, study: str = "inspection") -> tuple[tuple[str, str], tuple[str, str]]:
    """Backdoored and clean models that are flagged: by our verdict, and by Neural Cleanse's rule."""

    def of(name: str) -> tuple[str, str]:
        found = studies[study]["numbers"]["inspectors"][name]["all"]
        flagged = round(found["tpr"] * found["models"])
        return f"{flagged} of {found['models']}", f"{found['alarms']} of {found['clean']}"

    return of("verdict"), of("neural-cleanse")


def cleansing(studies: Studies) -> str:
    came, ours = (studies["cleansing"]["numbers"]["arms"][arm] for arm in ("none", "profile"))
    return (
        f"removed {broken(studies)} backdoors: the mean attack success rate fell from {came['asr']:.0%} to {ours['asr']:.0%}, at a cost of "
        f"{short(100 * (came['clean_accuracy'] - ours['clean_accuracy']), 1)} percentage points of clean accuracy."
    )


def broken(studies: Studies) -> str:
    ours = studies["cleansing"]["numbers"]["arms"]["profile"]
    return f"{ours['broken']} of {ours['models']}"


def findings(studies: Studies) -> Iterator[str]:
    attacks = {row["attack"]: row for row in studies["smoothing"]["numbers"]["attacks"]}
    assert [a for a, row in attacks.items() if row["verdict"] == "smooths"] == ["badnets", "tact"], "BadNets and TaCT"
    assert [a for a, row in attacks.items() if row["verdict"] == "roughens"] == ["all-to-all"], "all-to-all rougher"
    bad = attacks["badnets"]["effect"]
    yield f"BadNets (W falls by {short(bad['value'], 3)}, 95% interval {limits(bad)}) and TaCT"
    yield f"[The effect of triggers was measured on {studies['smoothing']['numbers']['models']} models]"
    pooled, hit = (studies["success"]["numbers"]["correlations"][i]["spearman"] for i in (0, 2))
    yield f"The rank correlation of attack success with the fall of W is {signed(pooled['value'], 2)} (95% interval {limits(pooled, 2)}). If W is measured only on inputs on which the attack succeeds, the correlation of attack success with the fall of W is {signed(hit['value'], 2)}, and no effect is shown. [The correlation with attack success was measured on {studies['success']['numbers']['models']} models]"
    made = next(r for r in studies["patterns"]["numbers"]["kinds"]["full"] if r["kind"] == "pattern made to lower W")
    yield f"On clean models, a pattern that is optimised to lower W lowers it from {short(made['w_clean'], 3)} to {short(made['w'], 3)}"
    yield f"[Patterns were studied on {studies['patterns']['numbers']['models']} models]"
