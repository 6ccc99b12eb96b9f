"""README.md: the studies, the demo, and the audit that its picture shows."""

from __future__ import annotations

import json
from collections.abc import Iterator

from results import demo, pages
from results.figures import Studies, limits, short, signed
from results.quotes import detection, index

PAGE = "README.md"
AUDIT = pages.ROOT / "docs" / "figures" / "audit.json"


def quotes(studies: Studies) -> Iterator[str]:
    yield from shown_demo()
    yield detectors(studies)
    yield cleansing(studies)
    yield from audit()
    yield inspection(studies)
    yield from findings(studies)


def shown_demo() -> Iterator[str]:
    yield demo.sizes()
    run = demo.shown()
    clean, bad = run["models"]
    assert bad["w_change_ci"][1] < 0, "W falls on the backdoored network"
    yield (
        f"Seed {run['seed']}, W at sigma = {short(run['sigma_half'], 3)}: the trigger changes W by {demo.changed(bad)} on the backdoored network, "
        f"from {short(bad['w_clean'], 3)} to {short(bad['w_triggered'], 3)}, and by {demo.changed(clean)} on the clean one"
    )
    yield from index.spread()
    yield f"The demo took {demo.seconds('full')}"


def detectors(studies: Studies) -> str:
    def of(detector: str, attacks: tuple[str, ...]) -> str:
        return short(detection.found(studies, "detection", detector, "equal", attacks))

    def elsewhere(study: str, detector: str) -> str:
        return short(next(r["development"] for r in studies[study]["numbers"]["equal"] if r["detector"] == detector))

    equal = studies["detection"]["numbers"]["equal"]
    words = {10: "Ten"}
    return (
        f"it flags {of('profile', detection.TWELVE)} of the triggered inputs of twelve attacks (STRIP {of('strip', detection.TWELVE)}), "
        f"{of('profile', detection.HELD_OUT)} of four kept out of its design (STRIP {of('strip', detection.HELD_OUT)}), on Fashion-MNIST; on "
        f"emoji {elsewhere('detection-colour', 'profile')} (STRIP {elsewhere('detection-colour', 'strip')}), on an MLP "
        f"{elsewhere('detection-mlp', 'profile')} (STRIP {elsewhere('detection-mlp', 'strip')}). {words[len(equal)]} detectors on "
        f"{max(r['models'] for r in equal)} models:"
    )


def cleansing(studies: Studies) -> str:
    came, ours = (studies["cleansing"]["numbers"]["arms"][arm] for arm in ("none", "profile"))
    return (
        f"broke {ours['broken']} of {ours['models']} backdoors, mean success {came['asr']:.0%} to {ours['asr']:.0%}, for "
        f"{short(100 * (came['clean_accuracy'] - ours['clean_accuracy']), 1)} points of accuracy."
    )


def audit() -> Iterator[str]:
    """What tools/draw-figures wrote down of the audit that it took pictures of."""
    said = json.loads(AUDIT.read_text(encoding="utf-8"))
    yield (
        f"The report: {said['flagged']} of {said['scanned']} images flagged, {said['expected']:.0f} expected, {said['gathered']} of the "
        f"{said['flagged']} predicted as one class"
    )
    yield f"{said['scanned']} images, {said['triggered']} of them picked to carry the patch; all {said['found']} are among the {said['flagged']} flagged."
    assert said["found"] == said["triggered"], "all that carry the patch are flagged"


def findings(studies: Studies) -> Iterator[str]:
    attacks = {row["attack"]: row for row in studies["smoothing"]["numbers"]["attacks"]}
    assert [a for a, row in attacks.items() if row["verdict"] == "smooths"] == ["badnets", "tact"], "BadNets and TaCT"
    assert [a for a, row in attacks.items() if row["verdict"] == "roughens"] == ["all-to-all"], "all-to-all rougher"
    bad = attacks["badnets"]["effect"]
    yield f"BadNets (W falls by {short(bad['value'], 3)}, 95% {limits(bad)}) and TaCT"
    yield f"[{studies['smoothing']['numbers']['models']} models]"
    pooled, hit = (studies["success"]["numbers"]["correlations"][i]["spearman"] for i in (0, 2))
    yield f"Rank correlation {signed(pooled['value'], 2)} ({limits(pooled, 2)}); among inputs that hit {signed(hit['value'], 2)}, not shown. [{studies['success']['numbers']['models']} models]"
    made = next(r for r in studies["patterns"]["numbers"]["kinds"]["full"] if r["kind"] == "pattern made to lower W")
    yield f"from {short(made['w_clean'], 3)} to {short(made['w'], 3)} on clean models"
    yield f"[{studies['patterns']['numbers']['models']} models]"
    yield f"{detection.attacks(studies)} attacks' accuracy and success"


def inspection(studies: Studies) -> str:
    by = studies["inspection"]["numbers"]["inspectors"]
    ours, classic = by["verdict"]["all"], by["neural-cleanse"]["all"]
    return (
        f"flags {round(ours['tpr'] * ours['models'])} of {ours['models']} backdoored models (18 attacks, two small networks on Fashion-MNIST, none of them used in its design) and "
        f"{ours['alarms']} of {ours['clean']} clean ones; Neural Cleanse's published rule {round(classic['tpr'] * classic['models'])} and {classic['alarms']}."
    )
