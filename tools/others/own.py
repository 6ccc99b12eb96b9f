"""A package's own answers, in a process of its own: python own.py NAME WHEELS OUT.json FILE...

It runs the package's code, unconfined, as its users do. `WHEELS` is where its wheels were unpacked.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
from pathlib import Path


def main() -> None:
    name, wheels, out, *files = sys.argv[1:]
    sys.path[:1] = [str(Path(__file__).parents[1]), wheels]  # not this folder: its files are named as the packages are
    from others.every import EVERY

    if any(package.startswith("torchvision") for package in EVERY[name].more):
        _torchvision()
    with contextlib.redirect_stdout(sys.stderr):
        labels = EVERY[name].own([Path(file) for file in files])
    Path(out).write_text(json.dumps([int(label) for label in labels]) + "\n")


def _torchvision() -> None:
    """Import torchvision where its compiled part finds no CUDA: operators that it declares get a name, and are never called."""
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")
    for _ in range(40):
        try:
            import torchvision  # noqa: F401
        except RuntimeError as error:
            missing = re.search(r"operator torchvision::(\w+) does not exist", str(error))
            if missing is None:
                raise
            library.define(f"{missing[1]}(Tensor x) -> Tensor")
            for module in [m for m in sys.modules if m.partition(".")[0] == "torchvision"]:
                del sys.modules[module]
        else:
            return


if __name__ == "__main__":
    main()
