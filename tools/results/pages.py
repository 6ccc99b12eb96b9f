"""Build the studies' pages from their records; MkDocs runs this before it builds the site (`hooks` in mkdocs.yml).

    python tools/results/pages.py

docs/results/NAME/report.html, figures/ and tables/ are in no commit. They are built where they are missing, or where the records, the
code that draws them, or a library has changed since. What was built from what is kept beside them, in .built.json.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "docs" / "results"
BUILT = ".built.json"
_PARTS = ("report.html", "figures", "tables", BUILT)
_LIBRARIES = ("jinja2", "matplotlib", "numpy", "scipy")


def on_pre_build(config: Any) -> None:
    """MkDocs's hook."""
    ensure_built()


def ensure_built() -> None:
    """Build what is missing or stale, in a process of its own: the caller may have loaded, or started, anything."""
    subprocess.run([sys.executable, __file__], check=True)


def build_all(results: Path = RESULTS) -> list[str]:
    """Build what is missing or stale; returns the names of the studies that were built."""
    from doldrum.locks import locked

    with locked(results, wait=True):
        stale = [path.parent for path in sorted(results.glob("*/study.json")) if read_built(path.parent) is None]
        # The largest records take longest: first, so that no process is left with them at the end.
        stale.sort(key=lambda folder: -(folder / "records.jsonl").stat().st_size)
        if stale:
            with ProcessPoolExecutor(min(os.cpu_count() or 1, len(stale))) as pool:
                list(pool.map(build, stale))
    return [folder.name for folder in stale]


def build(folder: Path) -> None:
    """Write a study's page, and what it says for programs, into its folder."""
    from doldrum.records.study import read_study
    from doldrum.report.studies.page import study_page, write_report

    clear(folder)
    page = study_page(read_study(folder))
    write_report(folder)
    files = [str(path.relative_to(ROOT)) for path in sources()]
    drawn = [figure.name for section in page.sections for figure in section.figures]
    said = {"lede": list(page.lede), "numbers": page.numbers, "csv": page.csv, "figures": drawn}
    built = {"digest": digest(folder, files), "files": files, "page": said}
    (folder / BUILT).write_text(json.dumps(built, default=float) + "\n", encoding="utf-8")


def read_built(folder: Path) -> dict[str, Any] | None:
    """What a study's page says: lede, numbers, csv, names of figures; None where it has to be built."""
    try:
        built = json.loads((folder / BUILT).read_text(encoding="utf-8"))
        made = {"tables": built["page"]["csv"], "figures": built["page"]["figures"]}
        whole = all((folder / part).exists() for part in _PARTS if made.get(part, True))
        return built["page"] if whole and built["digest"] == digest(folder, built["files"]) else None
    except (OSError, ValueError, KeyError):
        return None


def clear(folder: Path) -> None:
    """Take away what was built: a figure that the page no longer has must not stay."""
    for part in _PARTS:
        path = folder / part
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def sources() -> list[Path]:
    """The project's files that drew the page: each module that is loaded, and all templates."""
    package = ROOT / "src" / "doldrum"
    loaded = {Path(m.__file__) for n, m in sys.modules.items() if n.split(".")[0] == "doldrum" and m.__file__}
    return sorted({Path(__file__), *loaded, *package.glob("report/**/*.j2"), *package.glob("report/**/*.css")})


def digest(folder: Path, files: Iterable[str]) -> str:
    """Of the records, these files of the project, and the libraries."""
    found = hashlib.sha256("\n".join(f"{name} {version(name)}" for name in _LIBRARIES).encode())
    for path in (folder / "study.json", folder / "records.jsonl", *(ROOT / name for name in files)):
        found.update(f"\n{path.relative_to(path.parents[1])}\n".encode() + path.read_bytes())
    return found.hexdigest()


if __name__ == "__main__":
    for name in build_all():
        print(f"built docs/results/{name}/report.html", file=sys.stderr)
