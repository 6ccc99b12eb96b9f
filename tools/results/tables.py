"""The tables of attacks: pages that tools/attack-table writes whole, held against what it writes today."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from results import pages

PAGES = ("docs/results/attacks.md", "docs/results/attacks-emoji.md")


def rendered(page: Path) -> str:
    """The page from its cells, by the command that it names itself."""
    command = re.search(r"^tools/attack-table .*$", page.read_text(encoding="utf-8"), re.MULTILINE)
    if command is None:
        raise ValueError(f"expected the command tools/attack-table in {page}, got none")
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(pages.RESULTS / "attacks", Path(folder) / "attacks")
        words = [*shlex.split(command[0])[1:], "--render", "--folder", folder]
        subprocess.run([sys.executable, str(pages.ROOT / "tools/attack-table"), *words], check=True, stderr=subprocess.DEVNULL)  # fmt: skip
        return (Path(folder) / page.name).read_text(encoding="utf-8").replace(f" --folder {folder}", "")
