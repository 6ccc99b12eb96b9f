"""The studies' pages on the site are built from records, and again when the records or the code have changed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from results import pages

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("results") / "sigma"
    folder.mkdir()
    for name in ("study.json", "records.jsonl"):
        shutil.copy(pages.RESULTS / "sigma" / name, folder)
    assert pages.read_built(folder) is None
    pages.build(folder)
    return folder


@pytest.fixture
def folder(built, tmp_path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "sigma"))


def test_a_page_is_built_whole_with_what_it_says_for_programs(folder) -> None:
    said = pages.read_built(folder)
    assert said is not None
    assert said["numbers"]["rules"]["half"]["badnets"]["n"] == 4
    assert said["csv"]["effects"]
    assert "<html" in (folder / "report.html").read_text(encoding="utf-8")
    assert list((folder / "figures").glob("*.svg"))
    assert (folder / "tables" / "effects.csv").exists()


@pytest.mark.parametrize("part", ["report.html", "figures", "tables"])
def test_a_page_with_a_part_missing_is_built_again(folder, part) -> None:
    path = folder / part
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert pages.read_built(folder) is None


@pytest.mark.parametrize("part", ["records.jsonl", "study.json"])
def test_a_page_whose_records_changed_is_built_again(folder, part) -> None:
    with (folder / part).open("a", encoding="utf-8") as file:
        file.write("\n")
    assert pages.read_built(folder) is None


def test_a_page_is_built_again_where_code_or_template_or_library_changed(folder, tmp_path, monkeypatch) -> None:
    files = {str(path.relative_to(ROOT)) for path in pages.sources()}
    page = "src/doldrum/report/studies/page.py"
    assert page in files
    assert any(name.endswith("study.html.j2") for name in files)
    assert "tools/results/pages.py" in files
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read(path) + b"#" * (path == ROOT / page))
    assert pages.read_built(folder) is None
    monkeypatch.setattr(Path, "read_bytes", read)
    assert pages.read_built(folder) is not None
    monkeypatch.setattr(pages, "version", lambda name: "0")
    assert pages.read_built(folder) is None


def test_what_a_page_no_longer_has_goes(folder) -> None:
    gone = folder / "figures" / "of-another-time.svg"
    gone.write_text("<svg/>", encoding="utf-8")
    pages.clear(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["records.jsonl", "study.json"]


def test_what_is_built_is_in_no_commit() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("a copy without git")
    names = [f"docs/results/sigma/{part}" for part in ("report.html", "figures/x.svg", "tables/x.csv", pages.BUILT)]
    found = subprocess.run(["git", "check-ignore", *names], cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.stdout.split() == names
    tracked = subprocess.run(["git", "ls-files", "docs/results"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not [name for name in tracked.stdout.split() if Path(name).suffix in (".html", ".png", ".svg", ".csv")]
