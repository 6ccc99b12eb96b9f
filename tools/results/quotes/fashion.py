"""docs/results/detection-design.md, "Fashion-MNIST, measured again"."""

from __future__ import annotations

from collections.abc import Iterator

from results.figures import Studies, mean_over_attacks, short, table

PAGE = "docs/results/detection-design.md"
STUDY = "detection-fashion"


def quotes(studies: Studies) -> Iterator[str]:
    ours, strip = (
        sorted(studies.rows(STUDY, "rows", detector=d), key=lambda r: r["attack"]) for d in ("profile", "strip")
    )
    head = ["attack", "attack success", "profile, TPR at 1%", "at 5%", "AUROC", "STRIP, TPR at 1%", "at 5%"]
    lines = [
        [mine["attack"], f"{mine['hits'] / mine['triggered']:.0%}", *(short(mine[key]) for key in ("tpr1", "tpr5")),
         short(mine["auroc"], 3), *(short(theirs[key]) for key in ("tpr1", "tpr5"))]
        for mine, theirs in zip(ours, strip, strict=True)
    ]  # fmt: skip
    means = [
        short(mean_over_attacks(ours, "tpr1")),
        short(mean_over_attacks(ours, "tpr5")),
        short(mean_over_attacks(ours, "auroc"), 3),
    ]
    means += [short(mean_over_attacks(strip, key)) for key in ("tpr1", "tpr5")]
    yield table(head, [*lines, ["**mean**", "", *means]])
    bpp = next(row["tpr1"] for row in ours if row["attack"] == "bpp")
    yield f"[BPP has a TPR of {short(bpp)}, and the mean TPR over all {len(ours)} attacks is {means[0]}]"
