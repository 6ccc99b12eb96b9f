"""The answer of a confined process, given once and then again and again to tests that spoil it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Answered:
    """The facts that a job answered with, and what it left in its work folder."""

    def keeping(self, run: Callable[..., Any], folder: Path) -> Callable[..., Any]:
        """`run`, a run_confined, which keeps what the work folder holds in `folder` when it has answered."""

        def kept(function: str, argument: Any, **more: Any) -> Any:
            facts = run(function, argument, **more)
            self.facts, self.folder = json.dumps(facts), folder
            shutil.copytree(argument["work"], folder)
            return facts

        return kept

    def again(self, function: str, argument: Any, **more: Any) -> Any:
        """A run_confined that leaves the same files and gives the same answer."""
        shutil.copytree(self.folder, argument["work"], dirs_exist_ok=True)
        return json.loads(self.facts)
