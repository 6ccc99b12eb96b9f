"""The notebooks in examples/ run from top to bottom, in a kernel of their own; in git they have no outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

BOOKS = sorted((Path(__file__).parents[2] / "examples").glob("*.ipynb"))


def read(book: Path) -> Any:
    return nbformat.read(book, as_version=4)


def test_there_are_the_three() -> None:
    assert [book.stem for book in BOOKS] == ["audit", "own-model", "study"]


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.stem)
def test_a_notebook_runs(book: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "DOLDRUM_VICTIMS", "TMPDIR"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    notebook = read(book)
    done = NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    outputs = [output for cell in done.cells if cell.cell_type == "code" for output in cell.outputs]
    # Results show as tables, and nothing is left to say on standard error: no warning, no bar.
    shown = [output["data"] for output in outputs if output.output_type == "execute_result"]
    assert book.stem == "study" or any("<table>" in data.get("text/html", "") for data in shown)
    assert [output["text"] for output in outputs if output.get("name") == "stderr"] == []
    assert book.stem != "study" or "4 cells, 4 done before, 0 to do" in "".join(o.get("text", "") for o in outputs)


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.stem)
def test_a_notebook_is_kept_without_outputs(book: Path) -> None:
    for cell in read(book).cells:
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None
    assert book.stat().st_size < 20_000
