"""The published schema of SARIF 2.1.0 (OASIS, errata 01), and the results of a log that fits it."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft4Validator


@cache
def validator() -> Draft4Validator:
    schema = json.loads((Path(__file__).parent / "sarif-2.1.0.json").read_text(encoding="utf-8"))
    Draft4Validator.check_schema(schema)
    return Draft4Validator(schema)


def checked_run(log: dict[str, Any]) -> dict[str, Any]:
    """The one run of a log that is valid, and whose results name rules that there are."""
    errors = [f"{list(error.absolute_path)}: {error.message[:200]}" for error in validator().iter_errors(log)]
    assert errors == []
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    return run
