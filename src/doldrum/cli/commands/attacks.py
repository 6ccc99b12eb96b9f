"""`doldrum attacks`, `poison`, `train` and `evaluate`: make a backdoored model with any attack, and measure how well it works."""

from __future__ import annotations

import json as jsonlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from doldrum.cli.attack_files import attack_beside, read_attack, write_attack, write_poisoned
from doldrum.cli.inputs import check_limit, load_images, load_model, warn_of_preprocessing
from doldrum.cli.interrupts import kept
from doldrum.cli.model_options import MODEL, takes_model
from doldrum.cli.out_file import CHECKPOINT, JSON, POISONED, check_out_file
from doldrum.cli.output import JsonFlag, OutOption, emit, message
from doldrum.cli.training_set import TRAINING_SET, RecipeOption, check_training, clean_or_poisoned, clean_set
from doldrum.errors import InputError
from doldrum.progress import progress_bar

AttackOption = Annotated[str | None, typer.Option(help="The id of an attack; doldrum attacks lists all ids.")]
RateOption = Annotated[float, typer.Option(help="Poisoned samples as a share of the whole training set.")]
TargetOption = Annotated[int, typer.Option(help="The attacker's class, from 0.")]
SeedOption = Annotated[int, typer.Option(help="Seed of all random choices.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="A setting of the attack, e.g. --set size=5; the option may be repeated."),
]


def attacks(json: JsonFlag = False, out: OutOption = None) -> None:
    """List all attacks, each with its id, paper, settings and their defaults, and what the attacker needs.

    Example: doldrum attacks --json
    """
    from rich.markup import escape
    from rich.table import Table

    from doldrum.attacks import ATTACKS

    rows = [
        {"id": a.id, "title": a.title, "paper": a.paper, "threat_model": a.threat_model, "settings": dict(a.settings),
         "note": a.note}
        for a in ATTACKS.values()
    ]  # fmt: skip
    # Two columns fit 80 characters without breaking an id or a setting.
    table = Table(title="Attacks", title_justify="left", show_lines=True)
    table.add_column("id", no_wrap=True)
    table.add_column("paper; what the attacker needs; settings; note", overflow="fold")
    for row in rows:
        settings = ", ".join(f"{k}={_short(v)}" for k, v in row["settings"].items())
        about = [f"{row['paper']}; needs {row['threat_model']}", settings, row["note"]]
        table.add_row(escape(row["id"]), escape("\n".join(filter(None, about))))
    emit(rows, as_json=json, out=out, table=table)


def poison(
    data: Annotated[str, typer.Argument(help=TRAINING_SET)],
    attack: Annotated[str, typer.Option(help="The id of an attack; doldrum attacks lists all ids.")],
    out: Annotated[Path, typer.Option(help="The .npz file to write.")],
    rate: RateOption = 0.05,
    target: TargetOption = 0,
    seed: SeedOption = 0,
    recipe: Annotated[
        str, typer.Option(help="The recipe for the surrogate model, which some attacks need.")
    ] = "fashion-cnn",
    settings: SetOption = None,
    json: JsonFlag = False,
) -> None:
    """Poison a training set and write it to an .npz file, for doldrum train or other programs.

    The file contains the arrays images, labels, original_labels, poisoned, cover and attack. The array poisoned marks
    the poisoned samples. The array cover marks the samples that have the trigger but keep their label. The array attack
    is JSON with the trigger and the poisoning plan. No array is pickled. If the attacker trains a model first, that
    model is saved as OUT.surrogate after each epoch. To continue an interrupted run, run the same command again.

    Example: doldrum poison fashion-mnist:train --attack badnets --rate 0.01 --out bad.npz
    """
    import numpy as np

    from doldrum.attacks import get_attack, make_attack
    from doldrum.attacks.registry import naming_settings
    from doldrum.poisoning import poison as poison_set

    if out.suffix.lower() != ".npz":
        raise InputError(f"expected an --out file that ends in .npz, got {out}; rename it")
    threat = get_attack(attack).threat_model
    if threat == "training":
        raise InputError(
            f"expected an attack that only adds samples, got {attack}, which changes the training; "
            f"use doldrum train --attack {attack}"
        )
    check_out_file(out, POISONED, images=[data])
    chosen = _settings(settings)
    check_training(
        data, recipe=recipe, attack=attack, rate=rate, target=target, settings=chosen, trains=threat != "data"
    )
    clean = clean_set(data)
    resume = out.with_name(f"{out.name}.surrogate")
    with kept("finished epochs", resume):
        made = make_attack(
            attack,
            clean,
            recipe=recipe,
            seed=seed,
            rate=rate,
            target=target,
            settings=chosen,
            checkpoint=resume,
        )
    if made.trigger is None:
        raise InputError(
            f"expected an attack whose trigger is known before training, got {attack}, which learns its trigger together with the model; use doldrum train --attack {attack}"
        )
    with naming_settings(chosen):
        bad = poison_set(clean if made.train_set is None else made.train_set, made.trigger, made.plan, seed=seed)
    write_poisoned(out, bad, attack=attack)
    resume.unlink(missing_ok=True)
    message(f"wrote {len(bad)} images to {out}")
    summary = {
        "out": str(out),
        "attack": attack,
        "images": len(bad),
        "poisoned": int(bad.poisoned.sum()),
        "cover": int(bad.cover.sum()),
        "relabelled": int(np.count_nonzero(bad.relabelled)),
        "plan": made.plan.to_dict(),
    }
    emit(summary, as_json=json, table=_pairs("Poisoned set", summary, skip=("plan",)))


def train(
    data: Annotated[str, typer.Argument(help=TRAINING_SET + " An .npz written by doldrum poison includes its attack.")],
    out: Annotated[Path, typer.Option(help="The .safetensors checkpoint to write.")],
    attack: AttackOption = None,
    rate: RateOption = 0.05,
    target: TargetOption = 0,
    recipe: RecipeOption = "fashion-cnn",
    seed: SeedOption = 0,
    settings: SetOption = None,
    json: JsonFlag = False,
) -> None:
    """Train a network on a clean set, on a poisoned set, or with an attack that puts a backdoor into it.

    With an attack, the trigger and the poisoning plan are written to a file of the same name that ends in .attack.json. The command doldrum
    evaluate looks for this .attack.json file. The state of the training is saved as OUT.resume after each epoch. If the attacker trains a model
    first, the state of this model is saved as OUT.resume.surrogate. To continue an interrupted run, run the same command again.

    \b
    Recipes for --recipe:
      digits-mlp, digits-cnn  grey, 8 x 8, such as digits
      fashion-cnn             grey, 28 x 28, such as fashion-mnist
      fashion-cnn-fast        the same in a quarter of the time, less accurate
      fashion-cnn-flip        the same, also with mirrored images
      fashion-resnet          grey, 28 x 28: a small residual network
      colour-cnn              colour, 32 to 64 pixels: minutes on one core
      vit-small               colour, 32 to 64 pixels: a small transformer
      preact-resnet18         colour, 32 to 64 pixels: use a GPU
      vgg11-bn                colour, 32 to 64 pixels: use a GPU
      transfer                colour, 64 to 224 pixels (best 160 or more):
                              trains the last layer of a pretrained network
      transfer-tuned          the same, and trains its last blocks too

    Example: doldrum train fashion-mnist:train --attack badnets --rate 0.01 --out bad.safetensors
    """
    from doldrum.attacks import run_attack
    from doldrum.attacks.registry import surrogate_beside
    from doldrum.training import train as train_network

    if out.suffix.lower() != ".safetensors":
        raise InputError(f"expected an --out file that ends in .safetensors, got {out}; rename it")
    if attack is None and settings:
        raise InputError("expected --attack with --set, got no --attack; name the attack")
    check_out_file(out, CHECKPOINT, images=[data])
    chosen = _settings(settings)
    check_training(data, recipe=recipe, attack=attack, rate=rate, target=target, settings=chosen)
    clean, brought = clean_or_poisoned(data)
    if attack is not None and brought is not None:
        raise InputError(
            f"expected clean data with --attack, got {data}, which is already poisoned; pass a clean set, or leave --attack out"
        )
    resume = out.with_name(f"{out.name}.resume")
    began = time.perf_counter()
    with kept("finished epochs", resume, there=_holds_epochs):
        if attack is None:
            model, record = train_network(clean, recipe, seed=seed, checkpoint=resume), brought
        else:
            result = run_attack(
                attack, clean, recipe=recipe, seed=seed, rate=rate, target=target, settings=chosen,
                checkpoint=resume,
            )  # fmt: skip
            model = result.model
            record = {
                "attack": attack,
                "trigger": result.trigger.to_dict(),
                "plan": result.plan.to_dict(),
                "seed": seed,
            }
    seconds = round(time.perf_counter() - began, 1)
    # The old attack goes first and the new one last: a kill in between leaves none, never another model's.
    attack_beside(out).unlink(missing_ok=True)
    model.save(out)
    if record is not None:
        write_attack(attack_beside(out), record)
    resume.unlink(missing_ok=True)
    surrogate_beside(resume).unlink(missing_ok=True)
    message(f"wrote {out}" + ("" if record is None else f" and {attack_beside(out)}"))
    summary = {
        "out": str(out),
        "attack": None if record is None else record["attack"],
        "attack_file": None if record is None else str(attack_beside(out)),
        "recipe": recipe,
        "seed": seed,
        "training_accuracy": model.history[-1]["accuracy"] if model.history else None,
        "seconds": seconds,
    }
    emit(summary, as_json=json, table=_pairs("Trained", summary))


@takes_model
def evaluate(
    model: Annotated[str, typer.Argument(help=MODEL)],
    data: Annotated[str, typer.Argument(help="Clean test images with labels, such as the split fashion-mnist:test.")],
    attack_file: Annotated[
        Path | None,
        typer.Option(help="Trigger and poisoning plan. Default: the .attack.json next to the model, if there is one."),
    ] = None,
    confidence: Annotated[float, typer.Option(help="Confidence level of the intervals.")] = 0.95,
    limit: Annotated[
        int | None, typer.Option(help="Use only N of the images, drawn at random, the same ones in each run.")
    ] = None,
    *,
    asked: dict[str, Any],
    json: JsonFlag = False,
    out: OutOption = None,
) -> None:
    """Measure the clean accuracy and attack success rate (ASR) of a model, overall and by class, with intervals.

    Example: doldrum evaluate bad.safetensors fashion-mnist:test
    """
    from doldrum.opening import ModelSettings
    from doldrum.poisoning import evaluate as evaluate_model
    from doldrum.poisoning.evaluate import check_confidence
    from doldrum.seeds import rng

    check_confidence(confidence)
    check_limit(limit)
    settings = ModelSettings(model=model, **asked)
    trigger = plan = None
    beside = attack_beside(Path(model))
    if out is not None:
        check_out_file(out, JSON, model=settings, images=[data], files=[attack_file or beside])
    if attack_file is not None or beside.is_file():
        trigger, plan = read_attack(attack_file or beside)
    suspect = load_model(settings)
    classifier = suspect.classifier
    read = load_images(data, classifier=classifier, resize=settings.resize)
    images = read.images
    if limit is not None:  # the first ones may all be of one class
        images = images.take(sorted(rng(0, "evaluate").permutation(len(images))[:limit].tolist()))
    warn_of_preprocessing(suspect, images, settings, labels=images.labels)
    twice = 0 if plan is None or images.labels is None else int(plan.eligible(images.labels).sum())
    with progress_bar("evaluating", len(images) + twice) as advance:
        found = evaluate_model(classifier, images, trigger, plan, confidence=confidence, on_batch=advance)
    if trigger is None:
        message(f"no attack file at {beside}: only clean accuracy is measured")
    if found.invalid:
        message(f"{found.invalid} images got NaN or infinite scores and are counted as wrong")
    result = {"model": model, "data": data, "trigger": trigger and trigger.name, **found.to_dict()}
    emit(result, as_json=json, out=out, table=_evaluation_table(found, images.class_names))


def _holds_epochs(resume: Path) -> bool:
    from doldrum.attacks.registry import surrogate_beside

    return resume.exists() or surrogate_beside(resume).exists()


def _settings(given: list[str] | None) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise InputError(f"expected --set NAME=VALUE, got {text!r}; e.g. --set size=5")
        try:
            parsed = jsonlib.loads(value)
        except ValueError:
            parsed = value
        out[name.strip()] = tuple(parsed) if isinstance(parsed, list) else parsed
    return out


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _pairs(title: str, values: dict[str, Any], *, skip: tuple[str, ...] = ()) -> Any:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in values.items():
        if name not in skip and value is not None:
            table.add_row(name.replace("_", " "), escape(_short(value)))
    return table


def _evaluation_table(found: Any, names: Sequence[str]) -> Any:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=f"Evaluation, with {found.confidence:.0%} intervals", title_justify="left")
    columns = ["class", "accuracy", *([] if found.asr is None else ["ASR"])]
    for name in columns:
        table.add_column(name)
    asr = found.asr_per_class or (None,) * len(names)
    rows = [("all", found.clean_accuracy, found.asr), *zip(names, found.accuracy_per_class, asr, strict=True)]
    for name, accuracy, success in rows:
        table.add_row(*[escape(str(name)), _share(accuracy), _share(success)][: len(columns)])
    return table


def _share(share: Any) -> str:
    if share is None or not share.n:
        return "-"
    return f"{share.value:.1%} ({share.lower:.1%} to {share.upper:.1%}) of {share.n}"
