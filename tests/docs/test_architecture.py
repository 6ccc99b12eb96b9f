"""docs/architecture.md names what there is, and leaves no package out; each package says what belongs in it."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "doldrum"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")

_PATH = re.compile(r"[\w.-]+(/[\w.-]+)*(/|\.py|\.md|\.toml)?")
_ROW = re.compile(r"^\| (`[^|]+`) \| [^|]+ \| (\d+) \|$", re.MULTILINE)


def spans() -> list[str]:
    """What the page has in backticks, outside of blocks of code."""
    return sorted(set(re.findall(r"`([^`\n]+)`", PAGE)))


def paths() -> list[str]:
    """Spans that are files or folders: with a slash, or a suffix of a file."""
    found = [s.rstrip("/") for s in spans() if _PATH.fullmatch(s) and ("/" in s or s.endswith((".py", ".md", ".toml")))]
    assert len(found) > 60
    return found


def listed() -> dict[str, int]:
    """The packages in the first column of the table, with their layers."""
    table = PAGE.partition("## Packages")[2].partition("\n## ")[0]
    return {name: int(layer) for cell, layer in _ROW.findall(table) for name in re.findall(r"`([\w/]+)`", cell)}


def packages() -> list[str]:
    return sorted(file.parent.relative_to(SOURCE).as_posix() for file in SOURCE.rglob("__init__.py"))


@pytest.mark.parametrize("path", paths())
def test_a_path_on_the_page_is_there(path: str) -> None:
    """NAME stands for any; a bare file's name for one that the page names in full."""
    pattern = path.replace("NAME", "*")
    here = any(any(folder.glob(pattern)) for folder in (SOURCE, ROOT))
    assert here or ("/" not in path and any(other.endswith(f"/{path}") for other in paths()))


@pytest.mark.parametrize("name", sorted({s for s in spans() if re.fullmatch(r"doldrum(\.\w+)+", s)}))
def test_a_module_on_the_page_is_there(name: str) -> None:
    place = SOURCE.parent.joinpath(*name.split("."))
    assert place.is_dir() or place.with_suffix(".py").is_file()


def test_the_packages_are_those_that_there_are() -> None:
    top = {p.stem for p in SOURCE.iterdir() if p.suffix == ".py" and not p.stem.startswith("__")}
    assert listed().keys() == top | {package for package in packages() if "/" not in package} - {"."}


def test_the_layers_are_those_that_import_linter_enforces() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layers = next(c["layers"] for c in contracts if c["name"] == "imports go one way")
    assert listed() == {
        name.strip(" ()"): number for number, layer in enumerate(reversed(layers), 1) for name in layer.split("|")
    }


@pytest.mark.parametrize(
    "package", [p for p in packages() if p.count("/") == 1 and not p.startswith(("studies/", "report/"))]
)
def test_a_package_in_a_package_is_on_the_page(package: str) -> None:
    assert f"`{package}" in PAGE


@pytest.mark.parametrize("package", packages())
def test_a_package_says_what_belongs_in_it(package: str) -> None:
    """Two lines at least: what does, and what does not."""
    text = ast.get_docstring(ast.parse((SOURCE / package / "__init__.py").read_text(encoding="utf-8"))) or ""
    assert len([line for line in text.splitlines() if line.strip()]) >= 2
