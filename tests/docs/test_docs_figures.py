"""README and docs say what the records say; the check of that finds every figure that is another."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from results import figures, quotes, quoting, tables

ROOT = Path(__file__).parents[2]

MODULES = [importlib.import_module(f"results.quotes.{m.name}") for m in pkgutil.iter_modules(quotes.__path__)]


@pytest.fixture(scope="module")
def studies() -> figures.Studies:
    return figures.Studies()


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.PAGE)
def test_a_page_says_what_the_records_say_and_any_other_figure_is_found(module, studies) -> None:
    text = (ROOT / module.PAGE).read_text(encoding="utf-8")
    expected = list(module.quotes(studies))
    assert quoting.check(text, expected) == []
    changed = 0
    for quote in expected:
        figures_of_quote = list(re.finditer(r"\d+", quote))
        # Two of a long table stand for the rest: all are held by the same pattern, which takes a while to compile.
        for figure in figures_of_quote[:: max(1, (len(figures_of_quote) + 1) // 2)]:
            other = str((int(figure[0][-1]) + 1) % 10)
            said = f"{quote[: figure.end() - 1]}{other}{quote[figure.end() :]}"
            # The page with one figure of this quote changed, as a slip of the pen, or new records, would have it.
            slipped = re.sub(r"\s+", " ", text).replace(re.sub(r"\s+", " ", quote), re.sub(r"\s+", " ", said))
            (wrong,) = quoting.check(slipped, [quote])
            assert quoting.check(quoting.corrected(slipped, [wrong]), [quote]) == []
            changed += 1
    assert changed >= len(expected) / 2


@pytest.mark.parametrize("page", tables.PAGES)
def test_a_table_of_attacks_is_what_its_tool_writes_from_the_cells(page, tmp_path) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert tables.rendered(ROOT / page) == text
    slipped = tmp_path / Path(page).name
    slipped.write_text(text.replace("| badnets | 5% | 3 | ", "| badnets | 5% | 4 | "), encoding="utf-8")
    assert tables.rendered(slipped) != slipped.read_text(encoding="utf-8")


def test_a_quote_is_found_across_lines_and_its_figures_are_whole() -> None:
    quote = ["falls by .146"]
    assert quoting.check("W falls\nby  .146, so", quote) == []
    assert quoting.check("W falls by .146.", quote) == []
    for other in ("falls by .1461", "falls by 1.146", "falls by -.146", "falls by .145", "rises by .146", ""):
        assert len(quoting.check(other, quote)) == 1, other
    assert quoting.check("at 1.05", [".05"]) != []
    assert quoting.check("at -.05", [".05"]) != []


@pytest.mark.parametrize("module", [quoting, figures])
def test_the_examples_of_the_tools_run(module) -> None:
    assert doctest.testmod(module).failed == 0


def test_the_command_says_what_is_wrong_with_which_page_and_writes_it_right(tmp_path) -> None:
    """In a copy of the checked pages, so that nothing here is touched."""
    for part in ("docs", "tools", "src", "README.md"):
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tmp_path)
    page = tmp_path / "docs/results/findings.md"
    right = page.read_text(encoding="utf-8")
    page.write_text(right.replace("BadNets +.146 (.112", "BadNets +.147 (.112"), encoding="utf-8")
    command = [sys.executable, str(tmp_path / "tools/check-figures"), "docs/results/findings.md"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert run.returncode == 1
    (line,) = run.stderr.splitlines()
    assert line.startswith('docs/results/findings.md: expected "BadNets +.146 (.112')
    assert 'got "BadNets +.147 (.112' in line
    assert subprocess.run([*command, "--write"], check=False, timeout=300).returncode == 0
    assert page.read_text(encoding="utf-8") == right
    other = subprocess.run([*command, "docs/none.md"], capture_output=True, text=True, check=False, timeout=300)
    assert (other.returncode, "got docs/none.md" in other.stderr) == (2, True)
