"""What every page is rendered in: templates of its own folder and the shared ones, everything escaped, every text visible."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from doldrum.intake import visible

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["digest", "joined", "page_environment", "policy", "shown"]


def page_environment(*packages: str) -> Environment:
    """A Jinja environment of the templates in `packages`/templates and of those that all pages share."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=ChoiceLoader([PackageLoader(package) for package in (*packages, "doldrum.report")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def joined(environment: Any, names: Sequence[str]) -> str:
    """The texts of some templates, as they are, one after another."""
    return "".join(environment.loader.get_source(environment, name)[0] for name in names)


def digest(text: str) -> str:
    """How a page's policy names a script or a style that it allows."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def policy(*, style: str, script: str | None = None) -> str:
    """The page's policy: its own style and script, pictures inside of it, and no request at all."""
    allowed = "'none'" if script is None else f"'{digest(script)}'"
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {allowed}",
            f"style-src '{digest(style)}'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ]
    )


def shown(value: Any, *, most: int = 4000) -> Any:
    """A JSON value with every text, keys included, passed through `visible`.

    >>> shown({"a\\u202e": ["x\\n"]})
    {'a\\\\u202e': ['x\\\\n']}
    """
    if isinstance(value, str):
        return visible(value, most=most)
    if isinstance(value, Mapping):
        return {visible(str(k)): shown(v, most=most) for k, v in value.items()}
    return [shown(v, most=most) for v in value] if isinstance(value, list | tuple) else value
