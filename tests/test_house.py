"""The house: what holds between the files of the whole tree."""

from __future__ import annotations

import graphlib
import re
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
OTHER_ROOMS = ("browser", "docs", "packaging", "shared", "tools")  # of what is in no package


def test_no_circle_between_any_two_files():
    """Imports inside functions and for types count, and so does an `__init__`, which imports what it shows."""
    graph = grimp.build_graph("doldrum", cache_dir=None)
    imports = {file: graph.find_modules_directly_imported_by(file) for file in graph.modules}
    graphlib.TopologicalSorter(imports).prepare()  # its CycleError names the files


def test_every_folder_of_tests_is_a_package_of_the_house():
    tests, house = ROOT / "tests", ROOT / "src" / "doldrum"
    folders = {path.parent.relative_to(tests) for path in tests.rglob("*.py")} - {Path()}
    ours = {folder for folder in folders if folder.parts[0] not in OTHER_ROOMS}
    assert ours
    assert {str(folder) for folder in ours if not (house / folder / "__init__.py").is_file()} == set()


def test_no_command_waits_for_the_distributions_of_scipy():
    """To import scipy.stats takes 0.7 s of each process; what is used of it is in doldrum.stats."""
    files = sorted((ROOT / "src").rglob("*.py"))
    assert len(files) > 300
    imports = re.compile(
        r"^\s*(import scipy\.stats|from scipy\.stats\b.* import|from scipy import .*\bstats\b)", re.MULTILINE
    )
    assert [str(file) for file in files if imports.search(file.read_text(encoding="utf-8"))] == []
