"""Run in an environment without extras: what every public name and every module of doldrum gives there, as JSON."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Callable


def outcome(use: Callable[[], object]) -> str:
    """ "" for what works; else the error's type, then what it says."""
    try:
        use()
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return ""


def main() -> None:
    import doldrum

    modules = ["doldrum", *(found.name for found in pkgutil.walk_packages(doldrum.__path__, "doldrum."))]
    found = {name: outcome(lambda name=name: importlib.import_module(name)) for name in modules}
    for module in [name for name, said in found.items() if not said]:
        loaded = importlib.import_module(module)
        for name in getattr(loaded, "__all__", ()):
            found[f"{module}:{name}"] = outcome(lambda loaded=loaded, name=name: getattr(loaded, name))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
