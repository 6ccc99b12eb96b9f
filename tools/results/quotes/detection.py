"""docs/results/detection-design.md, from "In the study of all detectors" on: what was measured once the design was fixed."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Iterator
from typing import Any

from doldrum.records.attacks import ADAPTIVE, HELD_OUT
from results.figures import Row, Studies, mean, mean_over_attacks, short

PAGE = "docs/results/detection-design.md"
# Those that the design was chosen on, LSBA among them.
TWELVE = (
    "badnets", "all-to-all", "blended", "sig", "wanet", "tact", "trojannn", "lf", "ftrojan", "adap-patch", "label-consistent",
    "lsba",
)  # fmt: skip
ALL = (*TWELVE, *HELD_OUT, "noise-hardened", "anti-smoothing")
FIVE = ("badnets", "blended", "all-to-all", "wanet", "issba")
COLOUR = ("badnets", "blended", "all-to-all", "wanet", "ftrojan")
USUAL, RARE = 0.05, 0.01


def quotes(studies: Studies) -> Iterator[str]:
    yield f"(see [its page](detection/report.html); {cells(studies)} combinations of settings): {attacks(studies)} attacks at 5% and 1% poison and clean models"
    yield from summary(studies)
    yield from rare(studies)
    yield from reached(studies)
    yield from strip(studies)
    yield from stress(studies)
    yield from colour(studies)
    yield from mlp(studies)
    yield from proportions(studies)


def rows(studies: Studies, study: str, detector: str, budget: str, attacks: Collection[str], rate: float = USUAL) -> list[Row]:  # fmt: skip
    """A detector's models. Those that need fewer forwards than the equal budget have one row, of their papers' budget."""
    mine = studies.rows(study, "rows", detector=detector)
    budget = budget if any(r["budget"] == budget for r in mine) else "paper"
    return [r for r in mine if r["budget"] == budget and r["attack"] in attacks and r["rate"] == rate]


def found(studies: Studies, study: str, detector: str, budget: str, attacks: Collection[str], rate: float = USUAL, of: str = "tpr1") -> float:  # fmt: skip
    """Mean over attacks of the mean over each attack's models; TPR at a promised 1% by default."""
    return mean_over_attacks(rows(studies, study, detector, budget, attacks, rate), of)


def cells(studies: Studies) -> int:
    return len(studies.cells("detection"))


def attacks(studies: Studies) -> int:
    return len({r["attack"] for r in studies.rows("detection", "rows")} - {"clean"})


def seeds(studies: Studies) -> int:
    return len({r["seed"] for r in studies.rows("detection", "rows")})


def summary(studies: Studies) -> Iterator[str]:
    """The table of what was reached; each other detector at its paper's budget, the best of them named."""
    others = sorted({r["detector"] for r in studies.rows("detection", "rows")} - {"profile"})
    titles = {"strip": "STRIP", "frequency": "Frequency"}

    def ours(attacks: Collection[str], of: str = "tpr1") -> float:
        return found(studies, "detection", "profile", "paper", attacks, of=of)

    def next_best(attacks: Collection[str], of: str = "tpr1", digits: int = 2) -> str:
        best = {d: found(studies, "detection", d, "paper", attacks, of=of) for d in others}
        name = max(best, key=lambda d: best[d])
        return f"{titles[name]} {short(best[name], digits)}"

    def each(attacks: Collection[str], detector: str = "profile") -> str:
        return ", ".join(short(found(studies, "detection", detector, "paper", [a])) for a in attacks)

    sixteen = [a for a in ALL if a not in ("noise-hardened", "anti-smoothing")]
    every = [r["tpr1"] for r in rows(studies, "detection", "profile", "paper", ["all-to-all"])]
    mine = rows(studies, "detection", "profile", "paper", (*ALL, "clean"))
    theirs = rows(studies, "detection", "strip", "paper", (*ALL, "clean"))
    false1, false5 = (sum(r[f] for r in mine) / sum(r["clean"] for r in mine) for f in ("false1", "false5"))
    kept = sum(inside(r) for r in mine)
    speed = [statistics.mean(r["milliseconds"] for r in found) for found in (mine, theirs)]
    lines = [
        ("all 18 attacks", f"**{short(ours(ALL))}**", next_best(ALL)),
        ("AUROC over them", f"**{short(ours(ALL, 'auroc'), 3)}**", next_best(ALL, "auroc", 3)),
        ("mean TPR over 16 attacks (all except anti-smoothing and noise-hardened)", short(ours(sixteen)), next_best(sixteen)),
        ("12 development attacks", short(ours(TWELVE)), next_best(TWELVE)),
        ("all-to-all", f"{short(ours(['all-to-all']))} ({short(min(every))} to {short(max(every))})", next_best(["all-to-all"])),
        ("TPRs of the held-out attacks BPP, ISSBA, Adap-Blend and input-aware", each(HELD_OUT), f"means: STRIP {next_best(HELD_OUT)[-3:]}, profile {short(ours(HELD_OUT))}"),
        ("adaptive: LSBA, noise-hardened, anti-smoothing", each(ADAPTIVE), f"STRIP {each(ADAPTIVE, 'strip')}"),
        ("weakest of the others", weakest(studies), ""),
        ("actual false-positive rates at promised rates of 1% and 5%", f"{short(100 * false1)}%, {100 * false5:.1f}%", ""),
        (f"models (of {len(mine)}) whose number of false alarms is inside the 95% interval for a promised rate of 1%", str(kept), ""),
        ("processor time per input in milliseconds, on one thread", f"{speed[0]:.1f}", f"STRIP {speed[1]:.1f}"),
    ]  # fmt: skip
    yield from (f"| {' | '.join(line)} |".replace("|  |", "| |") for line in lines)


def weakest(studies: Studies) -> str:
    """The three lowest of the attacks that neither were held out nor are adaptive."""
    by = {a: found(studies, "detection", "profile", "paper", [a]) for a in TWELVE if a != "lsba"}
    titles = {"sig": "SIG", "ftrojan": "FTrojan", "wanet": "WaNet"}
    return ", ".join(f"{titles[a]} {short(by[a])}" for a in sorted(by, key=lambda a: by[a])[:3])


def inside(row: Row) -> bool:
    """Whether the false alarms are in the promise's 95% interval."""
    from doldrum.stats.conformal import flags_interval

    low, high = flags_interval(row["clean"], row["calibration"], 0.01)
    return low <= row["false1"] <= high


def success(studies: Studies, study: str, attack: str, rate: float = USUAL) -> float:
    """The share of all test images that get the attacker's label once they carry the trigger, mean over the models."""
    return mean(
        c.values["asr"]
        for c in studies.cells(study)
        if (c.cell["attack"], c.cell["rate"]) == (attack, rate) and not c.cell.get("stress")
    )


def rare(studies: Studies) -> Iterator[str]:
    def at(attack: str) -> str:
        return short(found(studies, "detection", "profile", "paper", [attack], RARE))

    often = ", ".join(f"{t} {success(studies, 'detection', a, RARE):.0%}" for t, a in (("BPP", "bpp"), ("FTrojan", "ftrojan"), ("SIG", "sig")))  # fmt: skip
    yield (
        f"(success rate of {often}). With 1% poison, the mean TPR over all 18 attacks is {short(found(studies, 'detection', 'profile', 'paper', ALL, RARE))} (STRIP "
        f"{short(found(studies, 'detection', 'strip', 'paper', ALL, RARE))}), with a mean AUROC of "
        f"{short(found(studies, 'detection', 'profile', 'paper', ALL, RARE, 'auroc'), 3)}. With 1% poison, four attacks have a TPR below .8: BPP {at('bpp')} (the attack succeeds "
        f"on few inputs), SIG {at('sig')}, FTrojan {at('ftrojan')}, WaNet {at('wanet')}."
    )


def reached(studies: Studies) -> Iterator[str]:
    def of(attacks: Collection[str], name: str = "tpr1") -> float:
        return found(studies, "detection", "profile", "paper", attacks, of=name)

    bpp = ", ".join(short(r["tpr1"]) for r in rows(studies, "detection", "profile", "paper", ["bpp"]))
    yield (
        f"the mean TPR ({short(of(ALL))}, aim .90), the mean AUROC ({short(of(ALL, 'auroc'), 3)}, aim .98), and the TPR on all-to-all "
        f"({short(of(['all-to-all']))}, aim .95)"
    )
    yield (
        f"**the TPR of BPP is {short(of(['bpp']))}** ({bpp} on its three models; {short(of(['bpp'], 'tpr5'))} at a false-positive rate of 5%; AUROC "
        f"{short(of(['bpp'], 'auroc'), 3)}). The attack BPP succeeds on {success(studies, 'detection', 'bpp'):.0%} of the inputs"
    )
    held = {a for a in ALL if of([a]) < 0.5}
    assert held == {"bpp"}, "no attack but BPP under .5"
    assert found(studies, "detection", "profile", "paper", ["sig"], RARE) < 0.5, "SIG under .5 at 1% poison"


def strip(studies: Studies) -> Iterator[str]:
    """What STRIP finds as well or better."""

    def of(attack: str) -> float:
        return found(studies, "detection", "strip", "paper", [attack])

    good = ", ".join(short(of(a)) for a in ("badnets", "blended", "lf", "noise-hardened"))
    some = [of(a) for a in ("input-aware", "ftrojan", "wanet")]
    yield f"low frequency and noise-hardened at least as well as the profile (TPR {good}). STRIP misses"
    yield f"and most triggers of input-aware, FTrojan and WaNet (TPR {short(min(some))} to {short(max(some))})."


def stressed(studies: Studies, *detectors: str) -> list[tuple[Row, dict[str, Any]]]:
    """The cell and what was measured of its calibration, for each model that a detector was put under stress on."""
    return [
        (c.cell, d["stress"])
        for c in studies.cells("detection")
        if c.cell.get("stress")
        for d in c.values["detectors"]
        if d["detector"] in detectors
    ]


def stress(studies: Studies) -> Iterator[str]:
    """What calibration goes wrong by, on models trained with classes in proportion."""
    runs = {cell["attack"]: run for cell, run in stressed(studies, "profile") if cell["data"] == "fashion-mnist"}
    classes = [run["imbalance"]["1"]["fpr"] for run in runs.values()]
    yield (
        f"up to {max(map(max, classes)):.0%} of the inputs of a predicted class are flagged ({max(map(mean, zip(*classes, strict=True))):.1%} "
        f"on average over the three models). If the profile is calibrated by class, at most {max(max(r['imbalance']['1']['per_class']) for r in runs.values()):.1%} of the inputs of a class are flagged."
    )
    calm, bright = (runs["all-to-all"]["shifts"][kind] for kind in ("none", "brighter"))
    blurred, darker = (max(run["shifts"][kind]["fpr"][0] for run in runs.values()) for kind in ("blurred", "darker"))
    bad = [runs[attack] for attack in ("badnets", "all-to-all")]
    yield (
        f"its TPR on all-to-all falls from {short(calm['tpr'][0])} to {short(bright['tpr'][0])} (and the false-positive rate to {short(100 * bright['fpr'][0])}%). "
        f"At a promised rate of 1%, up to {blurred:.1%} of blurred clean images are flagged, and up to {darker:.1%} of clean images that are darker by a fifth. If 1% of the calibration "
        f"inputs are triggered, the mean TPR on BadNets and all-to-all is {short(mean(run['planted']['tpr'][0] for run in bad))}."
    )
    few, spread = (mean(run["sizes"]["100"][0][of] for run in bad) for of in ("tpr", "tpr_sd"))
    yield (
        f"With calibration sets of 100 inputs, the TPR on BadNets and all-to-all is {short(few)} ± {short(spread)}. With 2,000 calibration inputs, the TPR on BadNets and all-to-all is "
        f"{short(mean(run['sizes']['2000'][0]['tpr'] for run in bad))}."
    )
    theirs = {r["detector"] for r in studies.rows("detection", "rows")} - {"profile"}
    ours, others = kept(studies, "profile"), kept(studies, *theirs)
    yield (
        f"for each of {len(ours)} combinations of model, promised rate and calibration size. For the profile, in every combination, the actual rates of at least {min(ours)} splits are inside "
        f"the 95% interval. For the other detectors there are {len(others):,} combinations of model, promised rate and calibration size. In {others.count(min(others))} of these "
        f"{len(others):,} combinations, the actual rates of {min(others)} splits are inside the 95% interval. In the remaining combinations of other detectors, the actual rates of "
        f"{min(k for k in others if k > min(others))} or more splits are inside the 95% interval."
    )


def kept(studies: Studies, *detectors: str) -> list[int]:
    """How many of 50 splits are inside the interval, for each model, budget, calibration size and level."""
    runs = [run for _, run in stressed(studies, *detectors)]
    return [level["kept"] for run in runs for size in run["sizes"].values() for level in size if level is not None]


def colour(studies: Studies) -> Iterator[str]:
    def of(attack: str) -> str:
        return short(found(studies, "detection-colour", "profile", "equal", [attack]))

    by = {row["detector"]: row for row in studies["detection-colour"]["numbers"]["equal"]}
    ours = by["profile"]
    yield (
        f"all-to-all {of('all-to-all')}, FTrojan {of('ftrojan')}, BadNets {of('badnets')}, Blended {of('blended')}, WaNet {of('wanet')} (its "
        f"attack succeeds on {success(studies, 'detection-colour', 'wanet'):.0%} of the inputs), ISSBA {of('issba')}. The mean TPR over the five development attacks "
        f"is {short(ours['development'])} (with the scores before"
    )
    yield f"the mean AUROC is {short(ours['auroc'], 3)}. At a promised rate of 5%, the mean TPR is {short(ours['tpr5'])}."
    others = {
        d: row["development"] for d, row in by.items() if d not in ("profile", "strip", "max-softmax", "frequency")
    }
    yield (
        f"on emoji, the next best detectors are STRIP (mean TPR {short(by['strip']['development'])}), Frequency ({short(by['frequency']['development'])}) and max softmax "
        f"({short(by['max-softmax']['development'])}), and the others have at most {short(max(others.values()))}. On ISSBA, STRIP ({short(by['strip']['held_out'])}) has a higher TPR than the profile."
    )
    yield (
        f"at a promised false-positive rate of 1%, the profile flags {short(100 * ours['fpr1']['value'], 1)}% of clean images, and at 5%, {short(100 * ours['fpr5']['value'], 1)}%. In all {ours['kept1']} models, both rates are inside their 95% intervals."
    )
    assert ours["kept1"] == ours["kept5"] == ours["models"]


def mlp(studies: Studies) -> Iterator[str]:
    def line(title: str, attack: str) -> str:
        mine = (
            found(studies, "detection-mlp", "profile", "paper", [attack], of=of) for of in ("tpr1", "tpr5", "auroc")
        )
        figures = [short(value, digits) for value, digits in zip(mine, (2, 2, 3), strict=True)]
        return f"| {title} | {' | '.join(figures)} | {short(found(studies, 'detection-mlp', 'strip', 'equal', [attack]))} |"

    yield from (
        line(*each)
        for each in (
            ("BadNets", "badnets"), ("Blended", "blended"), ("all-to-all", "all-to-all"), ("WaNet", "wanet"),
            ("ISSBA", "issba"),
        )
    )  # fmt: skip
    by = {row["detector"]: row for row in studies["detection-mlp"]["numbers"]["equal"]}
    kept, pairs = (sum(row[name] for row in by.values()) for name in ("kept1", "models"))
    five = [short(found(studies, "detection-mlp", "profile", "paper", FIVE, of=of)) for of in ("tpr1", "tpr5")]
    yield f"On the MLP, over the five attacks, the profile has a mean TPR of {five[0]} at a promised false-positive rate of 1%, and of {five[1]} at 5%."
    others = {d: found(studies, "detection-mlp", d, "equal", FIVE) for d in by if d not in ("profile", "strip")}
    yield f"On the MLP, STRIP has a mean TPR of {short(found(studies, 'detection-mlp', 'strip', 'equal', FIVE))}, max softmax of {short(others.pop('max-softmax'))}, and the other detectors have a mean TPR of at most {short(max(others.values()))}."
    yield f"the actual rate is inside the 95% interval for a promised rate of 1% in {kept} of {pairs} pairs of a detector and a model"
    yield f"The attack WaNet succeeds on {success(studies, 'detection-mlp', 'wanet'):.0%} of the inputs of an MLP."


def proportions(studies: Studies) -> Iterator[str]:
    """Models that were trained on classes out of proportion, and calibrated on classes in proportion."""
    by = {ratio: [run for cell, run in stressed(studies, "profile") if cell["data"] == f"fashion-mnist{ratio}"] for ratio in ("", " 1:10", " 1:100")}  # fmt: skip
    tails = [*by[" 1:10"], *by[" 1:100"]]
    accuracy = [
        mean(
            c.values["clean_accuracy"] for c in studies.cells("detection") if c.cell["data"] == f"fashion-mnist{ratio}"
        )
        for ratio in (" 1:10", " 1:100")
    ]
    yield f"a clean accuracy of {accuracy[0]:.0%} (ratio of class sizes 1:10) and {accuracy[1]:.0%} (1:100)."
    most = [run["sizes"]["2000"][0] for run in tails]
    low, high = (edge(100 * m["fpr"] for m in most) for edge in (min, max))
    fewest = min(m["kept"] for m in most)
    yield f"a promised rate of 1% gives an actual rate of {short(low, 1)}% to {short(high, 1)}%, and this rate is inside its 95% interval in at least {fewest} of 50 splits."
    reach = {ratio: [v for run in runs for v in run["imbalance"]["1"]["fpr"]] for ratio, runs in by.items()}
    one, ten, hundred = (f"{short(100 * min(v), 1)}% to {100 * max(v):.0f}%" for v in reach.values())
    yield f"a promised rate of 5% becomes an actual rate of {ten} in single classes (ratio of class sizes 1:10), and of {hundred} (1:100). For models that are trained on balanced sets, a promised rate of 5% becomes an actual rate of {one} in single classes."
    even = [v for run in tails for v in run["imbalance"]["1"]["per_class"]]
    yield f"the actual false-positive rate is {min(even):.1%} to {max(even):.1%} in every class."
    tpr = [by[ratio][0]["sizes"]["2000"][0]["tpr"] for ratio in (" 1:10", " 1:100")]
    yield f"The TPR on BadNets at a promised false-positive rate of 1% is {short(tpr[0])} (ratio of class sizes 1:10) and {short(tpr[1])} (1:100)."
