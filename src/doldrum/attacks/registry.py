"""ATTACKS: all attacks by id. `run_attack` trains an attacked model with any of these attacks."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from doldrum.attacks import makers
from doldrum.attacks.base import Attack, AttackResult, Made, Setup, ThreatModel
from doldrum.checks import finite_number, is_number, nearest, whole_number
from doldrum.data import Images, ImageSet, as_labelled
from doldrum.errors import InputError
from doldrum.lazy import extras
from doldrum.poisoning import PoisonPlan, poison
from doldrum.poisoning.poison import choose_samples
from doldrum.seeds import child_seed

if TYPE_CHECKING:
    from doldrum.training.recipe import Recipe

__all__ = [
    "ATTACKS",
    "check_attack",
    "check_settings",
    "get_attack",
    "make_attack",
    "naming_settings",
    "run_attack",
    "surrogate_beside",
]


def _entry(
    id: str, title: str, paper: str, threat_model: ThreatModel, make: Callable[..., Made], note: str = ""
) -> tuple[str, Attack]:
    defaults = {k: p.default for k, p in inspect.signature(make).parameters.items() if p.default is not p.empty}
    return id, Attack(id, title, paper, threat_model, make, defaults, note)


_SURROGATE: ThreatModel = "data and a surrogate"

ATTACKS: dict[str, Attack] = dict(
    [
        _entry("badnets", "BadNets", "Gu et al. 2017, arXiv 1708.06733", "data", makers.badnets),
        _entry("all-to-all", "BadNets, all-to-all", "Gu et al. 2017, arXiv 1708.06733", "data", makers.all_to_all,
               "the attack success rate (ASR) cannot exceed the clean accuracy"),
        _entry("blended", "Blended", "Chen et al. 2017, arXiv 1712.05526", "data", makers.blended),
        _entry("sig", "SIG", "Barni et al. 2019, arXiv 1902.11237", "data", makers.sig,
               "no label is changed, so the poison rate can be at most the share of the target class"),
        _entry("label-consistent", "Label-consistent", "Turner et al. 2019, arXiv 1912.02771", _SURROGATE,
               makers.label_consistent, "no label is changed, so the poison rate can be at most the share of the target class"),
        _entry("trojannn", "TrojanNN", "Liu et al. 2018, NDSS", _SURROGATE, makers.trojannn,
               "the attacked model is trained on the poisoned set, not retrained from the surrogate"),
        _entry("wanet", "WaNet", "Nguyen & Tran 2021, arXiv 2102.10369", "data", makers.wanet,
               "the training set is poisoned once, but the paper poisons each batch during training"),
        _entry("issba", "ISSBA", "Li et al. 2021, arXiv 2012.03816", "data", makers.issba,
               "the encoder is small, and is trained on the same data as the attacked model"),
        _entry("input-aware", "Input-aware", "Nguyen & Tran 2020, arXiv 2010.08138", "training", makers.input_aware),
        _entry("bpp", "BPP", "Wang et al. 2022, arXiv 2205.13383", "data", makers.bpp,
               "the training set is poisoned once, but the paper poisons each batch during training"),
        _entry("lf", "Low frequency", "Zeng et al. 2021, arXiv 2104.03413", "data", makers.lf,
               "the perturbation is smooth and random; optimised=True optimises it as in the paper, and the attacker then also needs a surrogate model"),
        _entry("ftrojan", "FTrojan", "Wang et al. 2021, arXiv 2111.10991", "data", makers.ftrojan,
               "grey images have no chroma, so the trigger is put into their only channel"),
        _entry("tact", "TaCT", "Tang et al. 2021, arXiv 1908.00686", "data", makers.tact,
               "the poison rate can be at most the share of the source class"),
        _entry("adap-blend", "Adap-Blend", "Qi et al. 2023, ICLR", "data", makers.adap_blend),
        _entry("adap-patch", "Adap-Patch", "Qi et al. 2023, ICLR", "data", makers.adap_patch,
               "the triggers are plain patches, not the paper's pictures; by default there is one cover sample for every two poisoned samples "
               "(the authors' code has two cover samples for every poisoned sample: cover_ratio=2)"),
        _entry("lsba", "LSBA", "Peng et al. 2022, arXiv 2202.11203", "data", makers.lsba,
               "some of the poisoned samples keep their label, so the ASR is not near 1 if target_probability is near .5"),
        _entry("noise-hardened", "Noise-hardened", "ours", "training", makers.noise_hardened,
               "this attack is made to evade detection by smoothness: noise is added to every training batch"),
        _entry("anti-smoothing", "Anti-smoothing", "ours", "data", makers.anti_smoothing,
               "this attack is made to evade detection by W: noisy triggered samples keep their true label"),
        _entry("tone", "Tone curve", "ours", "data", makers.tone),
        _entry("motion-blur", "Motion blur", "ours", "data", makers.motion_blur),
        _entry("light", "Light from one side", "ours", "data", makers.light),
        _entry("reflection", "Reflection", "Liu et al. 2020, arXiv 2007.02343", "data", makers.reflection,
               "the reflection is of the image itself, but in the paper it is of another photo, and no label is changed"),
        _entry("shear", "Shear", "ours", "data", makers.shear),
        _entry("sharpen", "Sharpening", "ours", "data", makers.sharpen),
        _entry("profile-evading", "Profile-evading", "ours", "training", makers.profile_evading,
               "this attack is made to evade SmoothnessProfile: perturbed triggered copies get the labels that clean images of the target class get"),
    ]
)  # fmt: skip
"""All attacks by id."""


def get_attack(id: str) -> Attack:
    """The attack with this id. Raises InputError for an unknown id.

    >>> get_attack("badnets").threat_model
    'data'
    """
    if not isinstance(id, str) or id not in ATTACKS:
        raise InputError(f"expected an attack among {', '.join(ATTACKS)}, got {id!r}; {nearest(str(id), ATTACKS)}")
    return ATTACKS[id]


def make_attack(
    id: str,
    train_set: ImageSet,
    *,
    recipe: str | Recipe = "fashion-cnn",
    seed: int = 0,
    rate: float = 0.05,
    target: int = 0,
    settings: dict[str, Any] | None = None,
    checkpoint: str | Path | None = None,
) -> Made:
    """Make the trigger, plan and hook of an attack. Only models that the attacker needs before the attack are trained.

    `checkpoint` is the resume file for the training of a surrogate (the attacker's own clean model), as in `train`. If
    the file exists, an unfinished surrogate is trained further, and a finished one is used again. Attacks without a
    surrogate write no resume file. The resume file is not deleted automatically.

    Raises InputError for an unknown id or setting, and for a plan that the training set does not allow.

    >>> import numpy as np
    >>> made = make_attack("badnets", ImageSet(np.zeros((2, 1, 8, 8)), labels=[0, 1]), rate=0.5)
    >>> made.trigger.name, made.plan.rate
    ('patch', 0.5)
    """
    return _make(id, train_set, recipe, seed, rate, target, settings, checkpoint, ready=lambda plan: None)


def check_attack(
    id: str,
    train_set: ImageSet,
    *,
    recipe: str | Recipe = "fashion-cnn",
    seed: int = 0,
    rate: float = 0.05,
    target: int = 0,
    settings: dict[str, Any] | None = None,
) -> PoisonPlan:
    """Check an attack and return its plan.

    Raises the errors of `make_attack` and `poison` before anything is trained. Some settings fail only after a
    surrogate is trained: `check_attack` does not detect them.

    >>> import numpy as np
    >>> few = ImageSet(np.zeros((4, 1, 16, 16)), labels=[0, 1, 1, 1])
    >>> check_attack("sig", few, rate=0.25).mode
    'clean-label'
    >>> check_attack("sig", few, rate=0.5)
    Traceback (most recent call last):
    ...
    doldrum.errors.InputError: expected rate= of at most 0.25 (1 of 4 samples may be chosen under this plan), got 0.5 (2 samples); lower rate=
    """

    def enough(plan: PoisonPlan) -> None:
        raise _Enough(plan)

    try:
        made = _make(id, train_set, recipe, seed, rate, target, settings, None, ready=enough)
    except _Enough as reached:
        return reached.plan
    choose_samples(train_set, made.plan, seed=seed)
    if made.trigger is not None:  # forms that poison() makes: a trigger says only then whether it fits the images
        some, rows = train_set.images[:1], np.arange(1)
        with naming_settings(settings):
            made.trigger(some)
            made.trigger.in_training(some, seed=seed, rows=rows)
            if made.plan.cover_rate:
                made.trigger.as_cover(some, seed=seed, rows=rows)
    return made.plan


@contextmanager
def naming_settings(settings: Mapping[str, Any] | None) -> Iterator[None]:
    """Triggers and plans do not know who set their values. So an InputError about a value that is one of `settings` says so.

    >>> with naming_settings({"alpha": 3}):
    ...     raise InputError("expected alpha in [0, 1], got 3; e.g. 0.2")
    Traceback (most recent call last):
    doldrum.errors.InputError: expected alpha in [0, 1], got 3; e.g. 0.2 (settings['alpha'])
    """
    try:
        yield
    except InputError as error:
        text = str(error)
        named = [name for name in settings or () if re.search(rf"(?<![\w'])({re.escape(name)})(?!\w)", text)]
        if not named or "settings[" in text:
            raise
        raise InputError(f"{text} ({', '.join(f'settings[{name!r}]' for name in named)})") from error


class _Enough(Exception):
    """Raised to end `check_attack` when all checks of an attack have passed, before any model is trained."""

    def __init__(self, plan: PoisonPlan) -> None:
        super().__init__()
        self.plan = plan


def _make(
    id: str,
    train_set: ImageSet,
    recipe: str | Recipe,
    seed: int,
    rate: float,
    target: int,
    settings: dict[str, Any] | None,
    checkpoint: str | Path | None,
    *,
    ready: Callable[[PoisonPlan], None],
) -> Made:
    attack = get_attack(id)
    _check_arguments(train_set, seed=seed, settings=settings, checkpoint=checkpoint)
    given = check_settings(id, settings or {})

    def untrained() -> Any:
        import torch

        from doldrum.networks import build
        from doldrum.training.recipe import get_recipe

        with torch.random.fork_rng(devices=[]):
            shape, classes = train_set.input_shape, train_set.num_classes
            return build(get_recipe(recipe).network, input_shape=shape, num_classes=classes)

    @cache
    def surrogate() -> Any:
        from doldrum.training import train

        own = child_seed(seed, "attack", "surrogate") % 2**31
        return train(train_set, recipe, seed=own, progress=False, checkpoint=checkpoint)

    setup = Setup(
        train_set=train_set, rate=rate, target=target, seed=seed, surrogate=surrogate, untrained=untrained, ready=ready
    )
    with extras(), naming_settings(settings):  # what a maker trains, or changes in training, needs torch
        return attack.make(setup, **given)


def run_attack(
    id: str,
    train_set: Images,
    *,
    recipe: str | Recipe = "fashion-cnn",
    seed: int = 0,
    rate: float = 0.05,
    target: int = 0,
    settings: dict[str, Any] | None = None,
    progress: bool = True,
    checkpoint: str | Path | None = None,
) -> AttackResult:
    """Train an attacked model: make the attack, poison the training set, and train on it.

    Parameters
    ----------
    id
        A key of ATTACKS.
    train_set
        A clean ImageSet, which is not changed; or a source of (image, label) pairs or rows, such as a torch Dataset.
    recipe, seed
        As in `train`. The seed also determines which samples are poisoned, and all other random values of the attack.
    rate, target
        The poison rate as a share of the whole training set, and the class that the attacker wants.
    settings
        Changes to the attack's own settings (`ATTACKS[id].settings` holds the defaults).
    checkpoint
        A resume file for the training of the attacked model, as in `train`. If the attack trains a surrogate, the
        surrogate's resume file is in the same folder, and its name is the same with `.surrogate` at the end.

    Returns AttackResult. `evaluate(result.model, test_set, result.trigger, result.plan)` measures how well the attack
    worked.
    """
    from doldrum.training import train

    train_set = as_labelled(train_set, what="a training set")
    _check_arguments(train_set, seed=seed, settings=settings, checkpoint=checkpoint)
    first = None if checkpoint is None else surrogate_beside(checkpoint)
    made = make_attack(
        id, train_set, recipe=recipe, seed=seed, rate=rate, target=target, settings=settings, checkpoint=first
    )
    clean = train_set if made.train_set is None else made.train_set
    with naming_settings(settings):
        poisoned = None if made.trigger is None else poison(clean, made.trigger, made.plan, seed=seed)
    data = clean if poisoned is None else poisoned
    model = train(data, recipe, seed=seed, progress=progress, hook=made.hook, checkpoint=checkpoint)
    trigger = made.trigger
    if trigger is None:
        trigger = made.hook.trigger()  # type: ignore[union-attr]
    return AttackResult(attack=id, model=model, trigger=trigger, plan=made.plan, poisoned=poisoned)


def surrogate_beside(checkpoint: str | Path) -> Path:
    """The path of a surrogate's resume file: the path of the attacked model's resume file with `.surrogate` at the end.

    >>> surrogate_beside("bad.resume").name
    'bad.resume.surrogate'
    """
    path = Path(checkpoint)
    return path.with_name(f"{path.name}.surrogate")


def _check_arguments(train_set: Any, *, seed: Any, settings: Any, checkpoint: Any) -> None:
    """Raise InputError for arguments of a wrong type, before any of them is used."""
    if not isinstance(train_set, ImageSet):
        raise InputError(f"expected an ImageSet, got {type(train_set).__name__}; make one: dd.ImageSet(images, labels)")
    if train_set.labels is None:
        raise InputError("expected a training set with labels, got none; poisoning needs labels")
    whole_number(seed, "seed=", least=-(2**63), hint="e.g. 0")
    if settings is not None and not isinstance(settings, Mapping):
        raise InputError(f"expected settings by name, got {type(settings).__name__}; e.g. settings={{'size': 3}}")
    if checkpoint is not None and not isinstance(checkpoint, (str, Path)):
        raise InputError(f"expected the path of a resume file, got {type(checkpoint).__name__}; name a file")


def check_settings(id: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of an attack, whose names and types are checked. The attack itself checks the ranges."""
    known = get_attack(id).settings
    unknown = sorted(set(settings) - set(known))
    if unknown:
        raise InputError(
            f"expected settings of {id} (the settings of this attack: {', '.join(known)}), got {unknown[0]!r}; {nearest(unknown[0], known)}"
        )
    return {name: _like(value, known[name], f"settings['{name}'] of {id}") for name, value in settings.items()}


def _like(value: Any, default: Any, name: str) -> Any:
    """Return the value of a setting if the value has the same type as the setting's default, else raise InputError.

    The attack itself checks the range of the value.
    """
    hint = f"e.g. {default}"
    if isinstance(default, (bool, str)):
        if not isinstance(value, type(default)):
            wanted = "true or false" if isinstance(default, bool) else "text"
            raise InputError(f"expected {wanted} as {name}, got {value!r}; {hint}")
    elif isinstance(default, int):
        return whole_number(value, name, least=0, most=1_000_000, hint=hint)  # more steps, bits or pixels never end
    elif isinstance(default, float):
        return finite_number(value, name, hint=hint)
    elif isinstance(default, tuple):
        if not isinstance(value, (tuple, list)) or not all(map(is_number, value)):
            raise InputError(f"expected several numbers as the setting {name}, got {value!r}; {hint}")
        return tuple(value)
    return value
