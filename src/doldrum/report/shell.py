"""Functions that render the templates of all pages safely: texts are escaped, and invisible characters are shown as codes."""

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
    """A Jinja environment with the templates in `packages`/templates and the templates that all pages share."""
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=ChoiceLoader([PackageLoader(package) for package in (*packages, "doldrum.report")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def joined(environment: Any, names: Sequence[str]) -> str:
    """The source texts of the named templates, joined and not rendered."""
    return "".join(environment.loader.get_source(environment, name)[0] for name in names)


def digest(text: str) -> str:
    """The hash of a script or style. A content security policy lists the hashes of allowed scripts and styles."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def policy(*, style: str, script: str | None = None) -> str:
    """The content security policy of a page: it allows the page's own style, script and inline pictures, and no requests."""
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
    """A copy of a JSON value in which the function `visible` was applied to every text and every key.

    >>> shown({"a\\u202e": ["x\\n"]})
    {'a\\\\u202e': ['x\\\\n']}
    """
    if isinstance(value, str):
        return visible(value, most=most)
    if isinstance(value, Mapping):
        return {visible(str(k)): shown(v, most=most) for k, v in value.items()}
    return [shown(v, most=most) for v in value] if isinstance(value, list | tuple) else value
