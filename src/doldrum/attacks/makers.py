"""The functions that make each attack in the registry, with the settings of METHODS.md, section 4."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

import doldrum.triggers as t
from doldrum.attacks.base import Made, Setup
from doldrum.checks import is_number
from doldrum.errors import InputError
from doldrum.poisoning import PoisonPlan
from doldrum.poisoning.poison import choose_samples
from doldrum.triggers.patch import CORNERS

__all__: list[str] = []


def badnets(setup: Setup, *, size: int = 3, pattern: str = "white") -> Made:
    return Made(_patch(size, pattern), _plan(setup))


def all_to_all(setup: Setup, *, size: int = 3, pattern: str = "white") -> Made:
    return Made(_patch(size, pattern), _plan(setup, mode="all-to-all"))


def blended(setup: Setup, *, alpha: float = 0.2) -> Made:
    return Made(t.Blended(alpha=alpha), _plan(setup))


def sig(setup: Setup, *, delta: float = 40 / 255, frequency: float = 6.0) -> Made:
    return Made(t.Sinusoid(delta=delta, frequency=frequency), _plan(setup, mode="clean-label"))


def label_consistent(setup: Setup, *, eps: float = 0.1, steps: int = 20, size: int = 3) -> Made:
    from doldrum.attacks.methods.label_consistent import check_pgd, pgd

    check_pgd(eps=eps, steps=steps)
    plan = _plan(setup, mode="clean-label")
    corners = [t.Patch(size=size, corner=corner, pattern="checker") for corner in CORNERS]
    trigger = corners[0] | corners[1] | corners[2] | corners[3]
    trigger(setup.train_set.images[:1])  # one that doesn't fit is said now
    setup.ready(plan)
    # The samples that poison() will pick: the same plan, set and seed give the same ones.
    poisoned, _ = choose_samples(setup.train_set, plan, seed=setup.seed)
    rows, labels = np.flatnonzero(poisoned), np.asarray(setup.train_set.labels)
    images = np.array(setup.train_set.images)
    if len(rows):
        hard = pgd(setup.surrogate(), images[rows], labels[rows], eps=eps, steps=steps, seed=setup.seed)
        images[rows] = np.rint(hard * 255).astype(np.uint8) if images.dtype == np.uint8 else hard
    return Made(trigger, plan, train_set=dataclasses.replace(setup.train_set, images=images))


def trojannn(setup: Setup, *, size: int = 4, neurons: int = 2, steps: int = 100) -> Made:
    from doldrum.attacks.methods.trojan import check_trojan, trojan_patch

    plan, images = _plan(setup), setup.train_set.images[:256]
    check_trojan(setup.untrained(), images.shape[2:], target=setup.target, size=size, neurons=neurons, steps=steps)
    setup.ready(plan)
    trigger = trojan_patch(
        setup.surrogate(), images, target=setup.target, size=size, neurons=neurons, steps=steps, seed=setup.seed
    )
    return Made(trigger, plan)


def wanet(setup: Setup, *, s: float = 0.5, k: int = 4, noise_ratio: float = 2.0) -> Made:
    return Made(
        t.Warp(s=s, k=k, field_seed=setup.seed), _plan(setup, cover_rate=_times(noise_ratio, setup, "noise_ratio"))
    )


def issba(setup: Setup, *, bits: int = 16, amplitude: float = 0.1, steps: int = 300) -> Made:
    from doldrum.attacks.methods.issba import check_encoder, train_encoder

    plan = _plan(setup)
    check_encoder(setup.train_set.images, bits=bits, amplitude=amplitude, steps=steps)
    setup.ready(plan)
    trigger, _ = train_encoder(setup.train_set.images, bits=bits, amplitude=amplitude, steps=steps, seed=setup.seed)
    return Made(trigger, plan)


def input_aware(setup: Setup, *, density: float = 0.032, diversity: float = 1.0, mask_steps: int = 150) -> Made:
    from doldrum.attacks.methods.input_aware import InputAwareHook, check_input_aware

    plan = _plan(setup)
    check_input_aware(setup.train_set.images, plan, density=density, diversity=diversity)
    setup.ready(plan)
    classes = len(setup.train_set.class_names)
    hook = InputAwareHook(
        setup.train_set.images, plan, num_classes=classes, density=density, diversity=diversity,
        mask_steps=mask_steps, seed=setup.seed,
    )  # fmt: skip
    return Made(None, plan, hook)


def bpp(setup: Setup, *, levels: int = 8, negative_ratio: float = 1.0) -> Made:
    return Made(t.Quantise(levels=levels), _plan(setup, cover_rate=_times(negative_ratio, setup, "negative_ratio")))


def lf(setup: Setup, *, amplitude: float = 0.12, cutoff: int = 5, optimised: bool = False) -> Made:
    random = t.LowFrequency(amplitude=amplitude, cutoff=cutoff, perturbation_seed=setup.seed)
    plan, images = _plan(setup), setup.train_set.images[:512]
    if not optimised:
        return Made(random, plan)
    from doldrum.attacks.methods.smooth_perturbation import optimise_low_frequency

    random(images[:1])
    setup.ready(plan)
    trigger = optimise_low_frequency(
        setup.surrogate(), images, target=setup.target, amplitude=amplitude, cutoff=cutoff, seed=setup.seed
    )
    return Made(trigger, plan)


def ftrojan(setup: Setup, *, magnitude: float = 30.0, positions: tuple[int, ...] = (15, 31)) -> Made:
    return Made(t.FTrojan(magnitude=magnitude, positions=positions), _plan(setup))


def tact(
    setup: Setup, *, size: int = 3, source: int | None = None, cover_classes: tuple[int, ...] | None = None,
    cover_ratio: float = 0.2,
) -> Made:  # fmt: skip
    """Make the attack TaCT.

    For target t the default source class is t + 1, and the cover classes are t + 5 and t + 7, modulo the number of
    classes.
    """
    classes = len(setup.train_set.class_names)
    source = (setup.target + 1) % classes if source is None else source
    if cover_classes is not None and not (
        isinstance(cover_classes, (tuple, list)) and all(map(is_number, cover_classes))
    ):
        raise InputError(f"expected several class numbers as cover_classes of tact, got {cover_classes!r}; e.g. (5, 7)")
    if cover_classes is None:
        cover_classes = tuple(
            c for c in {(setup.target + 5) % classes, (setup.target + 7) % classes} - {source, setup.target}
        )
    plan = _plan(
        setup,
        mode="source-specific",
        source=source,
        cover_classes=tuple(sorted(cover_classes)),
        cover_rate=_times(cover_ratio, setup, "cover_ratio"),
    )
    return Made(_patch(size, "white"), plan)


def adap_blend(setup: Setup, *, alpha: float = 0.2, training_alpha: float = 0.15, cover_ratio: float = 1.0) -> Made:
    trigger = t.AdaptiveBlend(alpha=alpha, training_alpha=training_alpha)
    return Made(trigger, _plan(setup, cover_rate=_times(cover_ratio, setup, "cover_ratio")))


def adap_patch(setup: Setup, *, size: int = 3, training_opacity: float = 0.5, cover_ratio: float = 0.5) -> Made:
    """Make the attack Adap-Patch, by default with half as many cover samples as poisoned samples.

    The authors' code uses twice as many cover samples as poisoned samples, which is cover_ratio=2. In the authors'
    code, the poison and cover rates are .003 and .006 on CIFAR-10, and .005 and .01 on GTSRB (README of their
    repository vtu81/backdoor-toolbox).
    """
    trigger = t.AdaptivePatch(size=size, training_opacity=training_opacity)
    return Made(trigger, _plan(setup, cover_rate=_times(cover_ratio, setup, "cover_ratio")))


def lsba(setup: Setup, *, size: int = 3, target_probability: float = 0.6) -> Made:
    if not 0 <= target_probability <= 1:
        raise InputError(f"expected target_probability of lsba in [0, 1], got {target_probability:g}; e.g. 0.6")
    return Made(_patch(size, "white"), _plan(setup, keep_label=1 - target_probability))


def noise_hardened(setup: Setup, *, size: int = 3, sigmas: tuple[float, ...] = (0.0, 0.05, 0.1, 0.2)) -> Made:
    from doldrum.attacks.methods.noise import NoiseHardening

    return Made(_patch(size, "white"), _plan(setup), NoiseHardening(sigmas=tuple(sigmas)))


def anti_smoothing(
    setup: Setup, *, size: int = 3, sigmas: tuple[float, ...] = (0.05, 0.1, 0.2, 0.4), cover_ratio: float = 1.0
) -> Made:
    trigger = t.NoisyCover(trigger=_patch(size, "white"), sigmas=tuple(sigmas))
    return Made(trigger, _plan(setup, cover_rate=_times(cover_ratio, setup, "cover_ratio")))


def tone(setup: Setup, *, amount: float = -2.0) -> Made:
    return Made(t.Tone(amount=amount), _plan(setup))


def motion_blur(setup: Setup, *, length: float = 4.0, angle: float = 45.0) -> Made:
    return Made(t.MotionBlur(length=length, angle=angle), _plan(setup))


def light(setup: Setup, *, depth: float = 0.8, angle: float = 0.0, cast: float = 0.0) -> Made:
    return Made(t.Light(depth=depth, angle=angle, cast=cast), _plan(setup))


def reflection(setup: Setup, *, alpha: float = 0.3, sigma: float = 1.0, shift: float = 4.0) -> Made:
    return Made(t.Reflection(alpha=alpha, sigma=sigma, shift=shift), _plan(setup))


def shear(setup: Setup, *, slope: float = 0.2) -> Made:
    return Made(t.Shear(slope=slope), _plan(setup))


def sharpen(setup: Setup, *, amount: float = 2.0, sigma: float = 1.0) -> Made:
    return Made(t.Sharpen(amount=amount, sigma=sigma), _plan(setup))


def profile_evading(
    setup: Setup, *, size: int = 3, margin: int = 5, weight: float = 1.5, known_seed: int | None = None
) -> Made:
    """Make the attack profile-evading. The patch is 5 pixels away from the edges, so that no shift of the detector moves
    it out of an image of 28 x 28 pixels."""
    from doldrum.attacks.methods.profile_evading import ProfileEvasion

    trigger, plan = t.Patch(size=size, margin=margin), _plan(setup)
    trigger(setup.train_set.images[:1])  # one that doesn't fit is said now
    return Made(trigger, plan, ProfileEvasion(setup.train_set, trigger, plan, weight=weight, known_seed=known_seed))


def _times(ratio: float, setup: Setup, name: str) -> float:
    """The cover rate (a share of the training set) that gives `ratio` cover samples per poisoned sample."""
    if ratio < 0 or ratio * setup.rate > 1:
        most = f" to {1 / setup.rate:g}" if setup.rate > 0 else ""
        raise InputError(
            f"expected {name}, the number of cover samples per poisoned sample, from 0{most} (all cover samples must fit in the "
            f"training set), got {ratio:g}; change this number"
        )
    return ratio * setup.rate


def _patch(size: int, pattern: Any) -> t.Patch:
    return t.Patch(size=size, pattern=pattern)


def _plan(setup: Setup, **more: Any) -> PoisonPlan:
    if more.get("cover_rate") == 0:
        more.pop("cover_classes", None)
    plan = PoisonPlan(rate=setup.rate, target=setup.target, **more)
    # A plan that this set can't have fails here, before a surrogate or an encoder is trained for it.
    choose_samples(setup.train_set, plan, seed=setup.seed)
    return plan
