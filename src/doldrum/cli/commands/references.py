"""`doldrum references`: train clean models, with which doldrum inspect compares another model."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from doldrum.cli.interrupts import kept
from doldrum.cli.output import JsonFlag, emit
from doldrum.cli.training_set import TRAINING_SET, RecipeOption, check_training, clean_set
from doldrum.locks import check_out_apart


def references(
    data: Annotated[str, typer.Option(help="Clean training data. " + TRAINING_SET)],
    out: Annotated[
        Path,
        typer.Option(
            help="A new folder, or a folder of reference models that were made with the settings of this command."
        ),
    ],
    recipe: RecipeOption = "fashion-cnn",
    count: Annotated[int, typer.Option(help="How many models the folder should hold.")] = 40,
    seed: Annotated[int, typer.Option(help="The seed from which the models' seeds are derived.")] = 0,
    workers: Annotated[
        int, typer.Option(help="Number of processes, with one thread each. 0 means one process per core.")
    ] = 0,
    json: JsonFlag = False,
) -> None:
    """Train clean models with one recipe and different seeds, as reference models for doldrum inspect.

    The command doldrum inspect promises a rate of false alarms by comparing a model with reference models, which are
    known to be clean. The promise holds for clean models like the reference models. So choose --data and --recipe that
    are similar to the data and the network of the inspected model. The number of reference models sets the lowest rate
    that can be promised: 19 models are enough for 5%, and 99 models for 1%. With more models, the actual rate of false
    alarms is nearer to the promised rate.

    The command writes the models (reference-0000.safetensors and so on) into --out, and references.json, which says how they were made. You can stop the command at
    any time. Run the same command again to continue from the last finished epoch. To add reference models later, run
    the command again with a larger --count. You can also use clean models of your own: put them into a folder, in any
    format that doldrum opens.

    Example: doldrum references --data fashion-mnist --recipe fashion-cnn --count 40 --out refs
    """
    from doldrum.provenance import cores
    from doldrum.references import check_references, train_references

    check_out_apart(data, out)
    check_references(out, count=count, seed=seed, workers=workers or cores())
    check_training(data, recipe=recipe)
    images = clean_set(data)
    began = time.perf_counter()
    with kept("finished models and epochs", out, there=_holds_models):
        made = train_references(out, data=images, recipe=recipe, count=count, seed=seed, workers=workers or cores())
    # Each is opened as it is come to, and let go of.
    accuracies = [model.history[-1]["accuracy"] for model in cast("Iterable[Any]", made)]
    summary = {
        "out": str(out),
        "models": len(made),
        "data": data,
        "recipe": recipe,
        "seed": seed,
        "training_accuracy": {"lowest": min(accuracies), "highest": max(accuracies)},
        "seconds": round(time.perf_counter() - began, 1),
    }
    emit(summary, as_json=json, table=_in_words(summary))


def _in_words(summary: dict[str, Any]) -> str:
    number, accuracy = summary["models"], summary["training_accuracy"]
    models = "1 reference model is" if number == 1 else f"{number:,} reference models are"
    return (
        f"{models} in the folder {summary['out']}. The training accuracy of the reference models is {accuracy['lowest']:.1%} to {accuracy['highest']:.1%}. "
        f"With these models, a false-alarm rate as low as 1 in {number + 1:,} clean models can be promised."
    )


def _holds_models(out: Path) -> bool:
    return out.is_dir() and any(name.startswith("reference-") for name in os.listdir(out))
