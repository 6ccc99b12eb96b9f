"""docs/results/cleansing.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from results.figures import Row, Studies, hundredths, mean, short, table

PAGE = "docs/results/cleansing.md"
ARMS = {
    "none": "not cleansed", "profile": "profile", "ranking": "profile, no clean images", "spectral": "spectral signatures",
    "clustering": "activation clustering", "known": "all poison dropped",
}  # fmt: skip
METHODS = ("profile", "ranking", "spectral", "clustering")
ATTACKS = {
    "badnets": "BadNets", "blended": "Blended", "wanet": "WaNet", "all-to-all": "all-to-all", "sig": "SIG", "adap-blend": "Adap-Blend",
    "tact": "TaCT", "lf": "low frequency",
}  # fmt: skip


def quotes(studies: Studies) -> Iterator[str]:
    for text in (by_seed(studies, "asr", list(ARMS)), by_seed(studies, "poison_dropped", METHODS), means(studies)):
        yield from text.splitlines()
    yield from shown(studies)
    yield from promise(studies)


def rows(studies: Studies, arm: str, attacks: Iterable[str] = tuple(ATTACKS)) -> list[Row]:
    return [r for r in studies.rows("cleansing", "arms", arm=arm) if r["attack"] in attacks]


def one(studies: Studies, attack: str, seed: int, arm: str = "profile") -> Row:
    (row,) = studies.rows("cleansing", "arms", attack=attack, seed=seed, arm=arm)
    return row


def by_seed(studies: Studies, of: str, arms: Iterable[str]) -> str:
    """In percent, of seed 0 and seed 1."""
    arms = list(arms)

    def pair(attack: str, arm: str) -> str:
        return " / ".join(hundredths(one(studies, attack, seed, arm)[of]) for seed in (0, 1))

    lines = [[title, *(pair(attack, arm) for arm in arms)] for attack, title in ATTACKS.items()]
    return table(["attack", *(ARMS[arm] for arm in arms)], lines)


def means(studies: Studies) -> str:
    found = studies["cleansing"]["numbers"]["arms"]
    lines = [
        [title, *(hundredths(found[arm][of]) for arm in ARMS)]
        for title, of in (("ASR", "asr"), ("clean accuracy", "clean_accuracy"), ("clean samples dropped", "clean_dropped"))
    ]  # fmt: skip
    models = found["none"]["models"]
    lines.append(["ASR below 20%", *(f"{found[arm]['broken']} of {models}" for arm in ARMS)])
    return table([f"mean over the {models} models", *ARMS.values()], lines)


def shown(studies: Studies) -> Iterator[str]:
    found = studies["cleansing"]["numbers"]["arms"]
    came, ours, theirs, clusters = (found[arm] for arm in ("none", "profile", "spectral", "clustering"))
    cost = {arm: 100 * (came["clean_accuracy"] - found[arm]["clean_accuracy"]) for arm in ("profile", "spectral")}
    yield (
        f"removes {ours['broken']} of {ours['models']} backdoors (ASR under 20%) and costs {short(cost['profile'], 1)} points of clean accuracy.** The profile lowers the mean "
        f"ASR from {came['asr']:.1%} to {ours['asr']:.1%}. Spectral signatures lower the mean ASR to {theirs['asr']:.1%}, at a cost of {cost['spectral']:.1f} points "
        f"of clean accuracy. Activation clustering lowers the mean ASR to {clusters['asr']:.1%}."
    )
    left = {(r["attack"], r["seed"]): r for r in rows(studies, "profile") if r["asr"] >= 0.2}
    assert set(left) == {("wanet", 1), ("blended", 0)}, "left are WaNet of seed 1 and Blended of seed 0"
    blended = left["blended", 0]
    poisoned = next(c for c in studies.cells("cleansing") if (c.cell["attack"], c.cell["seed"]) == ("blended", 0)).values["poisoned"]  # fmt: skip
    yield (
        f"Two backdoors still work after cleansing with the profile: WaNet of seed 1 (ASR {left['wanet', 1]['asr']:.0%}) and Blended of seed 0 (ASR {blended['asr']:.1%}). "
        f"In the set with Blended of seed 0, {round(poisoned * (1 - blended['poison_dropped']))} of {poisoned} poisoned samples stayed in the training set, which is enough for the backdoor. One of the {ours['models']} backdoors, SIG of seed 1, did not even "
        f"work before cleansing (ASR {one(studies, 'sig', 1, 'none')['asr']:.1%})."
    )
    mine, other = ([f"{one(studies, 'wanet', seed, arm)['poison_dropped']:.0%}" for seed in (0, 1)] for arm in ("profile", "spectral"))  # fmt: skip
    yield f"it drops {mine[0]} (seed 0) and {mine[1]} (seed 1) of the poisoned samples. Spectral signatures drop {' and '.join(other)} of the poisoned samples of WaNet."
    yield f"clean accuracy falls by {cost['spectral']:.1f} points. The profile drops only {ours['clean_dropped']:.1%} of the clean samples."
    yield f"Without clean images, only {found['ranking']['broken']} of {found['ranking']['models']} models end with an ASR below 20%, and the profile drops almost no poison of TaCT of seed 0."
    largest = {a: mean(c.values["largest_share"] for c in studies.cells("cleansing") if c.cell["attack"] == a) for a in ("badnets", "sig", "all-to-all")}  # fmt: skip
    yield (
        f"the true largest share of poison in a class**, about {largest['badnets']:.0%} here ({largest['sig']:.0%} for SIG, "
        f"{largest['all-to-all']:.0%} for all-to-all)"
    )


def promise(studies: Studies) -> Iterator[str]:
    cells = studies.cells("cleansing")
    yield f"a mean over the {len(cells)} models (two of them trained on clean sets)"
    levels = cells[0].values["levels"]
    lines = []
    for i, level in enumerate(levels):
        shares = ([c.values["false"][part][i] for c in cells] for part in ("held_out", "training"))
        lines.append(
            [f"{level:.0%}", *(f"{mean(v):.1%} ({hundredths(min(v))} to {hundredths(max(v))})" for v in shares)]
        )
    yield from (f"| {' | '.join(line)} |" for line in lines)
    clean = sorted(
        (c for c in cells if c.cell["attack"] == "clean"), key=lambda c: flagged(studies, "clean", c.cell["seed"])
    )
    yield (
        f"In one clean set, {flagged(studies, 'clean', clean[0].cell['seed'])} samples are flagged, and in the other "
        f"{flagged(studies, 'clean', clean[1].cell['seed'])}, but chance explains at most {clean[0].values['limit']} flags.**"
    )
    cost = sorted(
        100 * (one(studies, "clean", s, "none")["clean_accuracy"] - one(studies, "clean", s)["clean_accuracy"])
        for s in (0, 1)
    )
    yield f"costs {cost[1]:.1f} and {short(cost[0], 1)} points of clean accuracy. In the set of SIG with seed 1, whose backdoor does not work, {flagged(studies, 'sig', 1)} samples are flagged."


def flagged(studies: Studies, attack: str, seed: int) -> int:
    return one(studies, attack, seed)["dropped"]
