"""The demo: train a clean and a backdoored network on real images, and compare how stable their labels are under
noise."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from doldrum.classifiers import Classifier
from doldrum.data import ImageSet, fashion_mnist, to_float
from doldrum.errors import InputError
from doldrum.files import check_folder_writable
from doldrum.measuring import Measurement, measure_to, read_manifest, read_responses
from doldrum.poisoning import PoisonPlan, evaluate, poison
from doldrum.probes import Gaussian
from doldrum.profiles import mean_smoothness, sigma_half, smoothness
from doldrum.records import COMBINATIONS, Curve, DemoRecord, Example, ModelSummary, Pixels
from doldrum.responses import Responses
from doldrum.seeds import rng
from doldrum.stats.means import paired_mean_difference
from doldrum.training import Recipe, get_recipe, load_checkpoint, train
from doldrum.triggers import Patch

__all__ = ["DemoSettings", "run_demo"]

_GRID = (0.02, 0.05, 0.1, 0.14, 0.2, 0.3, 0.45, 0.7, 1.0, 1.5)
_PRECISIONS = (None, "fp32", "bf16")


@dataclass(frozen=True)
class DemoSettings:
    """The settings of the demo: the networks it trains, and the number of inputs and draws it measures.

    `pick` is the number of inputs that are used only to find sigma-half, the noise strength for comparisons. `inputs`
    is the number of inputs that are measured first without and then with the trigger. Inputs of the target class are
    left out. The trigger is a white square with sides of `patch` pixels. If `precision` is None, the fastest precision
    on this machine is used: "bf16" on a machine with AMX, and "fp32" on one without it.
    """

    recipe: str | Recipe = "fashion-cnn-flip"
    patch: int = 4
    inputs: int = 300
    pick: int = 200
    draws: int = 60
    strengths: tuple[float, ...] = _GRID
    seed: int = 0
    rate: float = 0.05
    target: int = 0
    precision: str | None = None

    def __post_init__(self) -> None:
        if self.precision not in _PRECISIONS:
            raise InputError(
                f"expected a precision among {_PRECISIONS}, got {self.precision!r}; None selects the fastest precision on this machine"
            )

    @classmethod
    def fast(cls) -> DemoSettings:
        """Smaller settings for first results in half a minute. Only the trigger and the poisoning are the same as in
        the full demo."""
        return cls(recipe="fashion-cnn-fast", inputs=120, pick=120, draws=50, strengths=(0.02, *_GRID[2::2], 1.5))

    @property
    def scale(self) -> str:
        """The name of these settings: "full" or "fast", or "" for changed settings. Settings that differ only in seed
        and precision have the same name."""
        plain = replace(self, seed=0, precision=None)
        return "full" if plain == DemoSettings() else "fast" if plain == DemoSettings.fast() else ""


def run_demo(
    out: str | Path,
    settings: DemoSettings | None = None,
    *,
    say: Callable[[str], None] = lambda text: None,
    command: str = "doldrum demo",
) -> DemoRecord:
    """Train both networks, measure them, and collect what the report needs. Finished parts in `out` are reused.

    `say` receives one line of text per step. A finished part of the demo is reused if the hash of everything that the
    part depends on has not changed.
    """
    settings = settings or DemoSettings()
    out = Path(out)
    check_folder_writable(out)
    seconds: dict[str, float] = {}
    training, test = fashion_mnist("train", download=True), fashion_mnist("test", download=True)
    out.mkdir(parents=True, exist_ok=True)
    trigger, plan = Patch(size=settings.patch), PoisonPlan(rate=settings.rate, target=settings.target)
    poisoned = poison(training, trigger, plan, seed=settings.seed)
    models = {
        "clean": _model(out, "clean", training, settings, say, seconds),
        "backdoored": _model(out, "backdoored", poisoned, settings, say, seconds),
    }
    pick, chosen = _split(test, settings)
    inputs = {"clean": test.take(chosen), "triggered": _with_trigger(test.take(chosen), trigger)}

    say("finding sigma-half, the noise strength for comparisons, on clean inputs that are not used again later")
    # Another seed than the measurement's: choosing and measuring share neither inputs nor draws.
    picking = Gaussian(settings.strengths, draws=settings.draws, seed=settings.seed + 1)
    w_pick = _responses(out, "pick", models["clean"], test.take(pick), picking, settings.precision, seconds)
    sigma = round(sigma_half(smoothness(w_pick)), 4)
    probe = Gaussian(sorted({*settings.strengths, sigma}), draws=settings.draws, seed=settings.seed)

    responses: dict[tuple[str, str], Responses] = {}
    for model, kind in COMBINATIONS:
        say(f"measuring {len(chosen)} {kind} inputs on the {model} model, at {len(probe.strengths)} noise strengths")
        name = f"{model}-{kind}"
        responses[model, kind] = _responses(out, name, models[model], inputs[kind], probe, settings.precision, seconds)

    summaries = []
    for model, classifier in models.items():
        say(f"testing the {model} model")
        summaries.append(_summary(model, classifier, test, trigger, plan, responses, sigma))
    first = responses["backdoored", "clean"].info
    record = DemoRecord(
        models=tuple(summaries),
        curves=tuple(_curve(model, kind, responses[model, kind]) for model, kind in COMBINATIONS),
        w_at_half={f"{m}/{k}": _finite(smoothness(r.at(sigma)).value[:, 0]) for (m, k), r in responses.items()},
        examples=tuple(_examples(responses, inputs, probe, sigma)),
        class_names=tuple(test.class_names),
        trigger={"name": trigger.name, **trigger.settings},
        plan=asdict(plan),
        sigma_half=sigma,
        seed=settings.seed,
        scale=settings.scale,
        command=command,
        provenance={key: first[key] for key in ("versions", "machine", "engine")},
        seconds=seconds,
    )
    record.save(out / "demo.json")
    return record


def _split(test: ImageSet, settings: DemoSettings) -> tuple[np.ndarray, np.ndarray]:
    """Draw two sets of test images: one set to find sigma-half, and one set to measure. Return their indices. No image
    in the set to measure has the target class."""
    order = rng(settings.seed, "demo split").permutation(len(test))
    pick, rest = order[: settings.pick], order[settings.pick :]
    assert test.labels is not None
    rest = rest[test.labels[rest] != settings.target]
    return np.sort(pick), np.sort(rest[: settings.inputs])


def _with_trigger(images: ImageSet, trigger: Patch) -> ImageSet:
    return ImageSet(
        trigger(images.images), labels=images.labels, ids=images.ids, class_names=images.class_names, name="triggered"
    )


def _model(
    out: Path, name: str, data: Any, settings: DemoSettings, say: Callable[[str], None], seconds: dict[str, float]
) -> Classifier:
    recipe = get_recipe(settings.recipe, **({"precision": settings.precision} if settings.precision else {}))
    key = _key(asdict(recipe), data.content_hash(), settings.seed)
    path = out / f"{name}-{key}.safetensors"
    if path.exists():
        try:
            model = load_checkpoint(path)
        except InputError as error:
            say(f"training again, since {error}")
        else:
            say(f"reusing the {name} model in {path}")
            return model
    say(f"training the {name} model")
    start = time.perf_counter()
    model = train(data, recipe, seed=settings.seed)
    seconds[f"train {name}"] = round(time.perf_counter() - start, 2)
    model.save(path)
    return model


def _responses(
    out: Path,
    name: str,
    classifier: Classifier,
    images: ImageSet,
    probe: Gaussian,
    precision: str | None,
    seconds: dict[str, float],
) -> Responses:
    folder = out / f"{name}-{_key(classifier.fingerprint, images.content_hash(), probe.to_dict(), precision)}"
    found = _finished(folder)
    if found is not None and len(found) == len(images):
        return found
    _clear(folder)
    start = time.perf_counter()
    engine = f"openvino-{precision}" if precision else "auto"
    measure_to(Measurement(classifier, images, probe, engine=engine), folder)
    seconds[f"measure {name}"] = round(time.perf_counter() - start, 2)
    return read_responses(folder)


def _finished(folder: Path) -> Responses | None:
    """Read the measurement in `folder`. The result is None if the measurement is unfinished or cannot be read
    completely."""
    try:
        return read_responses(folder) if read_manifest(folder).get("complete") is True else None
    except InputError:
        return None


def _clear(folder: Path) -> None:
    """Remove an unfinished measurement from the folder. Only files that measure_to makes are removed."""
    for file in [*folder.glob("part-*.parquet*"), *folder.glob("manifest.json*")]:
        file.unlink()


def _key(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:12]


def _finite(values: np.ndarray) -> tuple[float, ...]:
    """The finite values of W, without NaN. W is NaN for an input whose draws were all invalid."""
    return tuple(float(v) for v in values[np.isfinite(values)])


def _curve(model: str, kind: str, responses: Responses) -> Curve:
    means = mean_smoothness(responses)
    return Curve(
        model=model,
        inputs=kind,
        strengths=tuple(responses.strengths),
        mean=tuple(m.value for m in means),
        lower=tuple(m.lower for m in means),
        upper=tuple(m.upper for m in means),
    )


def _summary(
    model: str,
    classifier: Classifier,
    test: ImageSet,
    trigger: Patch,
    plan: PoisonPlan,
    responses: dict[tuple[str, str], Responses],
    sigma: float,
) -> ModelSummary:
    found = evaluate(classifier, test, trigger, plan)
    assert found.asr is not None
    (clean,) = mean_smoothness(responses[model, "clean"].at(sigma))
    (triggered,) = mean_smoothness(responses[model, "triggered"].at(sigma))
    with_it, without = (responses[model, kind].at(sigma) for kind in ("triggered", "clean"))
    change = paired_mean_difference(with_it.draws[:, 0], without.draws[:, 0], with_it.num_classes)
    return ModelSummary(
        name=model,
        clean_accuracy=found.clean_accuracy.value,
        clean_accuracy_ci=(found.clean_accuracy.lower, found.clean_accuracy.upper),
        asr=found.asr.value,
        asr_ci=(found.asr.lower, found.asr.upper),
        sigma_half=sigma,
        w_clean=clean.value,
        w_clean_ci=(clean.lower, clean.upper),
        w_triggered=triggered.value,
        w_triggered_ci=(triggered.lower, triggered.upper),
        w_change=change.value,
        w_change_ci=(change.lower, change.upper),
        n_inputs=len(responses[model, "clean"]),
        draws=responses[model, "clean"].draws.shape[2],
    )


def _examples(
    responses: dict[tuple[str, str], Responses], inputs: dict[str, ImageSet], probe: Gaussian, sigma: float
) -> list[Example]:
    """Two example inputs for the backdoored model, without and with the trigger. Without the trigger, W of the two
    inputs is the 75th and the 95th percentile of W over all inputs."""
    copies = min(8, probe.draws)
    clean = responses["backdoored", "clean"].at(sigma)
    order = np.argsort(smoothness(clean).value[:, 0], kind="stable")
    shape = inputs["clean"].images.shape[1:]
    bank = probe.bind(shape)
    condition = probe.strengths.index(sigma)
    examples = []
    for index in (int(order[len(order) * 3 // 4]), int(order[-1 - len(order) // 20])):
        for kind in ("clean", "triggered"):
            found = responses["backdoored", kind].at(sigma).take([index])
            image = to_float(inputs[kind].images[index : index + 1])[0]
            noisy = np.empty((copies, *shape), dtype=np.float32)
            bank.fill(image, condition, 0, copies, noisy)
            true = inputs["clean"].labels
            assert true is not None
            examples.append(
                Example(
                    model="backdoored",
                    inputs=kind,
                    true_class=int(true[index]),
                    sigma=sigma,
                    image=Pixels.of(image),
                    noisy=Pixels.of(noisy),
                    labels=tuple(int(c) for c in found.draws[0, 0, :copies]),
                    base_label=int(found.labels[0]),
                    w=float(smoothness(found).value[0, 0]),
                )
            )
    return examples
