"""The wheel and the sdist, and an environment that has the wheel and what it asks for, and nothing else."""

from __future__ import annotations

import email
import importlib.metadata
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from doldrum.locks import locked

TREE = Path(__file__).resolve().parents[2]


def python(*words: object, cwd: Path = TREE) -> None:
    done = subprocess.run([sys.executable, *map(str, words)], cwd=cwd, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> tuple[Path, Path]:
    """The wheel and the sdist, made as `python -m build --no-isolation` makes them, but both from the tree."""
    folder = _once(tmp_path_factory, "built", lambda folder: python("-m", "hatchling", "build", "-d", folder))
    return next(folder.glob("*.whl")), next(folder.glob("*.tar.gz"))


@pytest.fixture(scope="session")
def bare(built, tmp_path_factory) -> Path:
    """`bin` of a virtual environment with the wheel and its dependencies, installed by pip, without any extra."""

    def make(folder: Path) -> None:
        venv.create(folder, with_pip=False)
        site = next(folder.glob("lib/python*/site-packages"))
        for package in _needed(built[0]):
            _install(package, site)
        # Not --no-deps: pip says if what the wheel asks for isn't there.
        python("-m", "pip", "--disable-pip-version-check", "--python", folder / "bin" / "python", "install", "--quiet",
               "--no-index", built[0])  # fmt: skip

    return _once(tmp_path_factory, "bare", make) / "bin"


def _once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that is made once, whatever the number of workers that run the tests."""
    shared = factory.getbasetemp()
    shared = shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared
    with locked(shared / f"{name}.lock", wait=True):
        if not (shared / f"{name}.made").exists():
            make(shared / name)
            (shared / f"{name}.made").touch()
    return shared / name


def _needed(wheel: Path) -> list[importlib.metadata.Distribution]:
    """What the wheel asks for, and what that asks for, as it is installed here."""
    with zipfile.ZipFile(wheel) as files:
        metadata = next(name for name in files.namelist() if name.endswith(".dist-info/METADATA"))
        wanted: list[str] = email.message_from_bytes(files.read(metadata)).get_all("Requires-Dist", [])
    found: dict[str, importlib.metadata.Distribution] = {}
    while wanted:
        one = Requirement(wanted.pop())
        if one.name not in found and (one.marker is None or one.marker.evaluate({"extra": ""})):
            found[one.name] = importlib.metadata.distribution(one.name)
            wanted += found[one.name].requires or []
    return list(found.values())


def _install(package: importlib.metadata.Distribution, site: Path) -> None:
    """The package's files as files, by hard links where that can be: a link to a folder leads out of what a confined
    process may read."""
    for file in package.files or []:
        source, to = Path(str(package.locate_file(file))), site / file
        if (
            ".." in file.parts or "tests" in file.parts or not source.exists() or to.exists()
        ):  # two may ask for one package
            continue
        to.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, to)
        except OSError:  # on another disk
            shutil.copy2(source, to)
