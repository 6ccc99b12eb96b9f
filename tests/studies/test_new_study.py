"""A new study is a folder in studies/ and a folder in report/studies/: nothing else is touched."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest

import doldrum.report.studies
import doldrum.studies
from doldrum.cli.app import main
from doldrum.studies import get_study, list_studies

STUDY = {
    "__init__.py": '''"""The study toy: does the seed decide the mean of a draw?"""

QUESTION = "the seed decides the mean of a draw"
''',
    "study.py": """from doldrum.seeds import rng
from doldrum.studies import Cell, Study


def run(cell):
    return {"mean": float(rng(cell.seed, "toy").normal(size=cell.draws).mean())}


STUDY = Study(
    name="toy", cell=Cell, run=run, grids={"quick": {"data": "digits", "recipe": "digits-mlp", "seed": [0, 1, 2]}}
)
""",
}
PAGE = {
    "__init__.py": '"""The page of the study toy."""\n',
    "page.py": """from doldrum.report.figures import bare_axes
from doldrum.report.studies.parts import Section, StudyFigure, StudyPage, StudyTable
from doldrum.report.words import counted, number


def page(records):
    means = {cell.cell["seed"]: cell.values["mean"] for cell in records.cells}

    def draw(ax):
        ax.plot(list(means), list(means.values()))
        bare_axes(ax, xlabel="seed", ylabel="mean")

    figure = StudyFigure("means", draw, "The means.", "Line chart of the mean of each seed.")
    table = StudyTable("Means", ["seed", "mean"], [[str(seed), number(mean)] for seed, mean in means.items()])
    return StudyPage(
        "Toy", "Each seed has its mean", [f"{counted(len(means), 'seed')} drawn."],
        [Section("Seed by seed", figures=[figure], tables=[table])], {"means": list(means.values())},
        {"means": [{"seed": seed, "mean": mean} for seed, mean in means.items()]},
    )
""",
}


@pytest.fixture
def add(monkeypatch):
    """Put the folder toy into a package, as if it lay beside the others."""
    packages = []

    def put(package, folder: Path, files: dict[str, str]) -> None:
        (folder / "toy").mkdir(parents=True)
        for name, text in files.items():
            (folder / "toy" / name).write_text(text)
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
        packages.append(package)
        importlib.invalidate_caches()

    yield put
    for package in packages:  # what was imported from there is forgotten
        vars(package).pop("toy", None)
        for name in [m for m in sys.modules if m.startswith(f"{package.__name__}.toy")]:
            del sys.modules[name]


@pytest.fixture
def doldrum_command(monkeypatch, capsys):
    """Run a command as a user does; gives its exit code and what it printed."""

    def command(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["doldrum", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return command


def test_a_folder_each_makes_a_study_and_its_page(tmp_path, add, doldrum_command):
    before = list_studies()
    add(doldrum.studies, tmp_path / "studies", STUDY)
    code, out, _ = doldrum_command("study", "--json")
    assert code == 0
    assert json.loads(out) == {**before, "toy": "the seed decides the mean of a draw"}

    folder = tmp_path / "out"
    code, out, err = doldrum_command("study", "toy", "--out", folder, "--workers", 1)
    assert code == 0, err
    assert out.startswith("3 of 3 cells are finished.")

    code, _, err = doldrum_command("report", folder)
    assert code == 2
    assert "expected a study that has a report, got 'toy'; read its records instead" in err

    add(doldrum.report.studies, tmp_path / "pages", PAGE)
    code, out, err = doldrum_command("report", folder)
    assert code == 0, err
    assert out.strip() == "3 seeds drawn."
    html = (folder / "report.html").read_text()
    assert "Each seed has its mean" in html
    assert "Seed by seed" in html
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")} == {
        "study.json", "records.jsonl", "report.html", "figures/means.svg", "figures/means.png", "tables/means.csv",
    }  # fmt: skip


@pytest.mark.parametrize("name", list_studies())
def test_every_study_is_called_as_its_folder_is_and_has_a_page(name):
    assert get_study(name).name == name
    assert callable(importlib.import_module(f"doldrum.report.studies.{name}.page").page)


def test_studies_are_listed_without_what_they_run():
    import subprocess

    code = (
        "import sys; from doldrum.studies import list_studies; list_studies(); "
        "assert not [m for m in sys.modules if m == 'torch' or m.startswith('doldrum.studies.') and m.endswith('.study')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
