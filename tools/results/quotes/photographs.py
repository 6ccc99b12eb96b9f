"""docs/results/photographs.md: triggers in photographs, many classes, transfer learning, and the published detectors there."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from results.figures import Row, Studies, mean, mean_over_attacks, short, table
from results.quotes.detection import TWELVE, inside

PAGE = "docs/results/photographs.md"
SMALL, MANY, TRANSFER, TUNED, TRANSFER_MORE = ALL = (
    "detection-textures",
    "detection-textures-400",
    "detection-transfer",
    "detection-transfer-tuned",
    "detection-transfer-900",
)
DEEP = ("detection-preact", "detection-preact-blended")
FEWEST = 20
"""A model with fewer triggered inputs on which the attack succeeds is left out."""
# What their papers report, or papers that compare them; see src/doldrum/report/studies/detection/papers.py.
DETECTORS = {
    "strip": ("STRIP", ".663"), "scale-up": ("SCALE-UP", ".731"), "teco": ("TeCo", ".858"), "ibd-psc": ("IBD-PSC", ".992"),
    "psbd": ("PSBD", ""), "frequency": ("Frequency", ""), "rpp": ("RPP", ""), "w": ("W", ""), "max-softmax": ("max softmax", ""),
    "profile": ("smoothness profile", ""),
}  # fmt: skip


def quotes(studies: Studies) -> Iterator[str]:
    for study in (SMALL, MANY, TRANSFER, TRANSFER_MORE):
        yield found(studies, study)
    yield tuned(studies)
    yield rivals(studies)
    for study in DEEP:
        yield deep(studies, study)
    yield alarms(studies)


def of(studies: Studies, study: str, detector: str) -> list[Row]:
    """The models of a detector with at most 64 forward passes, or the forward passes of its paper if these are fewer."""
    mine = [r for r in studies[study]["csv"]["rows"] if r["detector"] == detector]
    fewer = [r for r in mine if r["budget"] == "equal"]
    return fewer or mine


def attacked(rows: list[Row]) -> list[Row]:
    return [r for r in rows if r["attack"] != "clean" and r["hits"] >= FEWEST]


def found(studies: Studies, study: str) -> str:
    """A line per attack: mean TPRs over its models."""
    ours, strip = (attacked(of(studies, study, name)) for name in ("profile", "strip"))
    names = sorted({r["attack"] for r in ours})

    def line(name: str, attacks: list[str]) -> list[str]:
        mine = [r for r in ours if r["attack"] in attacks]
        theirs = [r for r in strip if r["attack"] in attacks]
        figures = [mean_over_attacks(rows, key) for rows in (mine, theirs) if rows for key in ("tpr1", "tpr5")]
        return [name, str(len(mine)), *map(short, figures), short(mean_over_attacks(mine, "auroc"), 3)]

    head = [
        "attack",
        "models",
        "profile, TPR at 1%",
        "at 5%",
        *(["STRIP, TPR at 1%", "at 5%"] if strip else []),
        "profile, AUROC",
    ]
    return table(head, [*(line(name, [name]) for name in names), line("**mean**", names)])


def tuned(studies: Studies) -> str:
    """The one model whose extractor is partly unfrozen."""
    (ours,), (strip,) = (attacked(of(studies, TUNED, name)) for name in ("profile", "strip"))
    return f"the profile has a TPR of {short(ours['tpr1'])} at 1% and of {short(ours['tpr5'])} at 5%, and an AUROC of {short(ours['auroc'], 3)}. STRIP has a TPR of {short(strip['tpr1'])} at 1%"


def rivals(studies: Studies) -> str:
    """A line per detector: mean AUROC over attacks. The attack all-to-all is apart: these detectors were not made for it."""
    head = [
        "detector",
        "published",
        "Fashion-MNIST",
        "photographs, 100 classes",
        "400 classes",
        "all-to-all, photographs",
    ]
    plain = [a for a in TWELVE if a != "all-to-all"]

    def figure(study: str, detector: str, wanted: Callable[[str], bool]) -> str:
        rows = [r for r in attacked(of(studies, study, detector)) if r["rate"] == 0.05 and wanted(r["attack"])]
        return short(mean_over_attacks(rows, "auroc")) if rows else "–"

    return table(head, [
        [
            title, published, figure("detection", detector, lambda a: a in plain),
            *(figure(study, detector, lambda a: a != "all-to-all") for study in (SMALL, MANY)),
            figure(SMALL, detector, lambda a: a == "all-to-all"),
        ]
        for detector, (title, published) in DETECTORS.items()
    ])  # fmt: skip


def deep(studies: Studies, study: str) -> str:
    """A line per detector on PreActResNet-18."""
    rows = {name: of(studies, study, name) for name in DETECTORS}
    lines = [
        [title, published, *(short(mean_over_attacks(rows[name], key)) for key in ("auroc", "tpr1", "tpr5"))]
        for name, (title, published) in DETECTORS.items()
        if rows[name]
    ]
    return table(["detector", "published AUROC", "AUROC", "TPR at 1%", "at 5%"], lines)


def alarms(studies: Studies) -> str:
    """How many models keep the promise of 1%, and the mean rate of false alarms."""
    rows = [r for study in ALL for r in of(studies, study, "profile")]
    kept = sum(inside(r) for r in rows)
    rate = mean(r["false1"] / r["clean"] for r in rows)
    return f"inside the 95% interval for {kept} of {len(rows)} models, and {100 * rate:.1f}% on average"
