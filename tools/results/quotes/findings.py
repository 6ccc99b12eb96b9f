"""docs/results/findings.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from results.figures import Studies, limits, short, signed
from results.quotes import detection

PAGE = "docs/results/findings.md"
WORDS = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def quotes(studies: Studies) -> Iterator[str]:
    yield from models(studies)
    yield from smoothing(studies)
    yield from success(studies)
    yield from patterns(studies)
    yield from colour(studies)
    yield from detectors(studies)


def models(studies: Studies) -> Iterator[str]:
    for study in ("smoothing", "success", "patterns"):
        yield f"[{study}]({study}/report.html), {studies[study]['numbers']['models']} models |"


def smoothing(studies: Studies) -> Iterator[str]:
    by = {row["attack"]: row for row in studies["smoothing"]["numbers"]["attacks"]}
    yield from verdicts(by)
    bad, tact, every, blended, sig, wanet, clean = (
        by[a]["effect"] for a in ("badnets", "tact", "all-to-all", "blended", "sig", "wanet", "clean")
    )
    yield (
        f"BadNets {signed(bad['value'])} ({limits(bad)}), TaCT {signed(tact['value'])} ({limits(tact)}), all-to-all "
        f"{signed(every['value'])} ({limits(every)}), Blended {signed(blended['value'])} ({limits(blended)}), SIG "
        f"{signed(sig['value'])} ({limits(sig)}; not significant after Holm's correction), WaNet {signed(wanet['value'])} ({limits(wanet)})."
    )
    yield f"As expected, the effect between two clean models is near 0: {signed(clean['value'])} ({limits(clean)})"

    sigma = studies["sigma"]["numbers"]
    quarter, peak, cut = sigma["rules"]["quarter"], sigma["rules"]["peak"], sigma["clip"]["yes"]
    assert [a for a, e in quarter.items() if e["lower"] > 0] == ["badnets", "blended"], "for whom W falls at a quarter"
    assert not [a for a, e in quarter.items() if e["upper"] < 0], "W rises for none at a quarter"
    yield f"The trigger of Blended lowers W by {strongest(studies['smoothing'], 'Blended')} at the noise strength sigma = .1. The trigger of Blended does not lower W at sigma-half"
    yield f"Blended has an effect of {signed(cut['blended']['value'])} ({limits(cut['blended'])}) at sigma-half"
    yield (
        f"With this weaker noise, W falls for BadNets (effect {signed(quarter['badnets']['value'])}, "
        f"{limits(quarter['badnets'])}) and Blended (effect {signed(quarter['blended']['value'])}, {limits(quarter['blended'])}), and rises for no attack. "
        f"At the noise strength at which W has its peak, no fall of W is shown for BadNets (effect {signed(peak['badnets']['value'])}, {limits(peak['badnets'])})"
    )
    each = quarter["badnets"]["n"]
    yield f"([study sigma](sigma/report.html), {each} models per attack)"
    yield f"[sigma](sigma/report.html), {sum(e['n'] for e in quarter.values())} models |"

    hue = {row["attack"]: row["effect"]["value"] for row in studies["smoothing-colour"]["numbers"]["attacks"]}
    each = {row["models"] for row in studies["smoothing-colour"]["numbers"]["attacks"] if row["attack"] != "clean"}
    yield f"emoji, {min(each)} models per attack, provisional)"
    yield (
        f"BadNets {signed(hue['badnets'], 2)}, Blended {signed(hue['blended'], 2)}, ISSBA {signed(hue['issba'], 2)}, all-to-all "
        f"{signed(hue['all-to-all'], 2)}, WaNet {signed(hue['wanet'], 2)}."
    )


def verdicts(by: dict[str, Any]) -> Iterator[str]:
    """The table's first row says in words what the verdicts are."""
    names = {"badnets": "BadNets", "tact": "TaCT", "blended": "Blended", "sig": "SIG", "wanet": "WaNet"}
    smooth, rough, neither = (
        [name for attack, name in (*names.items(), ("all-to-all", "all-to-all")) if by[attack]["verdict"] == verdict]
        for verdict in ("smooths", "roughens", "not shown")
    )
    yield f"true for {' and '.join(smooth)}; the opposite is true for {' and '.join(rough)}; nothing is shown for {', '.join(neither)} |"


def strongest(page: dict[str, Any], attack: str) -> str:
    """The largest mean fall of W on the curve, which the study's first paragraphs give."""
    found = next(m for text in page["lede"] if (m := re.search(rf"{attack} \+0(\.\d+) at σ = 0\.1;", text)))
    return found[1]


def success(studies: Studies) -> Iterator[str]:
    numbers = studies["success"]["numbers"]
    by = {row["what"]: row for row in numbers["correlations"]}
    pooled, adjusted, hit, bad, blended = (
        by[what]["spearman"]
        for what in (
            "pooled within attack",
            "pooled within attack, adjusted for the model’s mean W on clean images",
            "among inputs that hit",
            "BadNets alone",
            "Blended alone",
        )
    )
    shown = [row["what"] for row in numbers["correlations"][:3] if row["shown"]]
    assert len(shown) == 2, "shown over all, not among inputs that hit"
    yield (
        f"{signed(pooled['value'], 2)} (95% interval {limits(pooled, 2)}, models resampled within attacks). If the correlation is adjusted for each model's mean "
        f"W on clean images, it is {signed(adjusted['value'], 2)} (95% interval {limits(adjusted, 2)}). The correlation of attack success with the fall of W is {signed(bad['value'], 2)} ({limits(bad, 2)}) "
        f"for BadNets alone, and {signed(blended['value'], 2)} ({limits(blended, 2)}) for Blended alone."
    )
    yield f"the correlation of attack success with the fall of W is {signed(hit['value'], 2)} ({limits(hit, 2)}). So our results do not show"
    onsets = numbers["onsets"]
    calm = [o for o in onsets if o["calm"] is not None]
    before, same, after = (
        sum((o["calm"] > o["asr"]) - (o["calm"] < o["asr"]) == side for o in calm) for side in (-1, 0, 1)
    )
    assert before == 0, "never before the attack's success"
    yield f"W was measured during the training of {WORDS[len(onsets)]} models"
    yield (
        f"In {WORDS[len(calm)]} of the {WORDS[len(onsets)]} models, W of triggered inputs fell: in no model before the attack succeeded, in {WORDS[same]} models at the checkpoint at which the attack succeeded, "
        f"in {WORDS[after]} models at a later checkpoint."
    )


def patterns(studies: Studies) -> Iterator[str]:
    kinds = studies["patterns"]["numbers"]["kinds"]
    full = {row["kind"]: row for row in kinds["full"]}
    made, aimed, blind = (
        full[k] for k in ("pattern made to lower W", "universal perturbation, targeted", "universal perturbation, untargeted")
    )  # fmt: skip
    yield f"lowers it from {short(made['w_clean'], 3)} to {short(made['w'], 3)} (95% interval of the fall: {limits(made['fall'])})"
    yield (
        f"(W from {short(aimed['w_clean'], 3)} to {short(aimed['w'], 3)}, 95% interval of the fall: {limits(aimed['fall'])}), although "
        f"the model predicts the target class for {aimed['share']:.0%} of inputs with this perturbation"
    )
    yield f"they raise W (from {short(blind['w_clean'], 3)} to {short(blind['w'], 3)})"
    yield f"true triggers have a mean W of {range_of(kinds['0.9'], true=True)}, and patterns on clean models have a mean W of {range_of(kinds['0.9'], true=False)}."
    best = max(row["mean"] for row in studies["patterns"]["numbers"]["told_apart"])
    yield f"(mean AUROC {short(best)} at best)"
    yield f"it flags {made['flagged_strip']:.0%} of inputs with the pattern that lowers W, and {aimed['flagged_strip']:.0%} of inputs with a targeted perturbation"


def range_of(rows: list[dict[str, Any]], *, true: bool) -> str:
    found = [row["w"] for row in rows if row["true"] is true]
    return f"{short(min(found))} to {short(max(found))}"


def colour(studies: Studies) -> Iterator[str]:
    numbers = studies["success-colour"]["numbers"]
    pooled, hit = (numbers["correlations"][i]["spearman"] for i in (0, 2))
    yield f"{numbers['models']} models of BadNets and Blended): the rank correlation of attack success with the fall of W is {signed(pooled['value'], 2)} (95% interval {limits(pooled, 2)})"
    yield f"If only inputs on which the attack succeeds are counted, the correlation of attack success with the fall of W is {signed(hit['value'], 2)} ({limits(hit, 2)})"
    rare, some = (
        studies.rows("success-colour", "models", attack="badnets", rate=rate)[0] for rate in (0.001, 0.003)
    )  # fmt: skip
    yield (
        f"BadNets at a poison rate of .001 does not work (attack success rate {rare['asr']:.0%}) and does not lower W (effect {short(rare['effect'])}). "
        f"At a poison rate of .003, BadNets works and lowers W (attack success rate {some['asr']:.0%}, effect {signed(some['effect'], 2)})"
    )
    kinds = studies["patterns-colour"]["numbers"]["kinds"]
    full = {row["kind"]: row for row in kinds["full"]}
    made, aimed, bad = (full[k] for k in ("pattern made to lower W", "universal perturbation, targeted", "BadNets"))
    yield (
        f"from {short(made['w_clean'], 3)} to {short(made['w'], 3)}. On colour images, a targeted universal perturbation also lowers W, "
        f"from {short(aimed['w_clean'], 3)} to {short(aimed['w'], 3)} (95% interval of the fall: {limits(aimed['fall'])}; p = {short(aimed['p_holm'])} after Holm's correction). "
        f"True triggers lower W too (BadNets from {short(bad['w_clean'], 3)} to {short(bad['w'], 3)})"
    )
    yield f"At equal attack success, patterns on clean models have a lower W ({range_of(kinds['0.9'], true=False)}) than true triggers ({range_of(kinds['0.9'], true=True)})"


def detectors(studies: Studies) -> Iterator[str]:
    few = {d: detection.found(studies, "detection", d, "equal", detection.TWELVE) for d in ("profile", "strip", "w")}
    colour, mlp = (
        {d: detection.found(studies, name, d, "equal", attacks) for d in ("profile", "strip", "max-softmax")}
        for name, attacks in (("detection-colour", detection.COLOUR), ("detection-mlp", detection.FIVE))
    )
    yield f"{detection.cells(studies)} combinations of settings: {detection.attacks(studies)} attacks at two poison rates and clean models, {detection.seeds(studies)} seeds)"
    yield (
        f"At a false-positive rate of 1% and with 64 forward passes, `SmoothnessProfile` finds {short(few['profile'])} of the triggered inputs of the twelve "
        f"attacks used in its design. STRIP finds {short(few['strip'])} of the triggered inputs of the twelve attacks used in the design, and a detector that uses W alone finds {short(few['w'])}. On colour images "
        f"(see the [study's page](detection-colour/report.html)), `SmoothnessProfile` finds {short(colour['profile'])} of the triggered inputs, STRIP {short(colour['strip'])} and max softmax {short(colour['max-softmax'])}."
    )
    yield f"`SmoothnessProfile` finds {short(mlp['profile'])} of the triggered inputs, STRIP {short(mlp['strip'])} and max softmax {short(mlp['max-softmax'])}. The page [How"
