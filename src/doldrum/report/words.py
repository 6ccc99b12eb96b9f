"""Functions that write numbers, shares, effects and lists as text for pages, also for unusual values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from doldrum.stats.effects import Effect

__all__ = [
    "between",
    "counted",
    "listed",
    "model_rows",
    "number",
    "percent",
    "plain_value",
    "span",
    "spoken",
    "taken_away",
    "times",
    "w",
]


def w(value: float) -> str:
    """W as text with three decimals; a positive value that would be rounded to zero becomes "<0.001".

    >>> w(0.1234), w(-1e-17), w(0.0002)
    ('0.123', '0', '<0.001')
    """
    if abs(value) < 1e-12:
        return "0"
    return "<0.001" if 0 < value < 0.0005 else f"{value:.3f}"


def percent(value: float) -> str:
    """A share in percent as text, never rounded up to 100% or down to 0%.

    >>> percent(0.9312), percent(1.0), percent(0.99997), percent(0.0)
    ('93.1%', '100%', '>99.9%', '0%')
    """
    if value in (0.0, 1.0):
        return f"{value:.0%}"
    if value > 0.9995:
        return ">99.9%"
    return "<0.1%" if 0 < value < 0.0005 else f"{value:.1%}"


def times(larger: float, smaller: float) -> str:
    """How many times larger one number is than another, as text; for a factor below 1.5, the difference in percent.

    >>> times(0.11, 0.003), times(0.11, 0.03), times(0.11, 0.1)
    ('37 times', '3.7 times', '10%')
    """
    ratio = larger / smaller
    if ratio < 1.5:
        return f"{ratio - 1:.0%}" if ratio >= 1.01 else "less than 1%"
    return f"{ratio:.0f} times" if ratio >= 9.95 else f"{ratio:.1f} times"


def number(value: float, digits: int = 3, *, sign: bool = False) -> str:
    """A number as text with a fixed number of digits; an en dash if it is not finite.

    >>> number(0.12345), number(-0.0004), number(0.1, sign=True), number(float("nan"))
    ('0.123', '0.000', '+0.100', '–')
    """
    if not math.isfinite(value):
        return "–"
    text = f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"
    return text.replace("-", "−") if float(text) else text.replace("-", "").replace("+", "")


def counted(n: int, word: str) -> str:
    """A number with its noun, in the singular or plural.

    >>> counted(1, "model"), counted(1200, "model")
    ('1 model', '1,200 models')
    """
    return f"{n:,} {word}{'' if n == 1 else 's'}"


def between(counts: Iterable[int]) -> str:
    """Write the range of several counts as text, or a single number if all counts are equal.

    >>> between([200, 200]), between([54, 60, 55])
    ('200', '54 to 60')
    """
    low, *_, high = sorted([*counts] * 2)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def listed(names: Sequence[str]) -> str:
    """Join names for a sentence, with "and" before the last name.

    Commas separate the names, or semicolons if a name contains a comma.

    >>> listed(["a"]), listed(["a", "b", "c"]), listed(["a (1, 2)", "b"])
    ('a', 'a, b and c', 'a (1, 2) and b')
    """
    if len(names) < 2:
        return "".join(names)
    comma = "; " if len(names) > 2 and any("," in n for n in names) else ", "
    return comma.join(names[:-1]) + f"{';' if comma == '; ' else ''} and {names[-1]}"


def span(effect: Effect, *, sign: bool = True) -> str:
    """Write an effect with its confidence interval as text for a table.

    >>> span(Effect(0.1, 0.05, 0.15, 0.01, 10, "t"))
    '+0.100 (+0.050 to +0.150)'
    """
    if not (math.isfinite(effect.lower) and math.isfinite(effect.upper)):
        return number(effect.value, sign=sign)
    low, high = number(effect.lower, sign=sign), number(effect.upper, sign=sign)
    return f"{number(effect.value, sign=sign)} ({low} to {high})"


def spoken(effect: Effect) -> str:
    """An effect with its confidence interval, as text for a sentence.

    >>> spoken(Effect(0.1, 0.05, 0.15, 0.01, 10, "t"))
    '+0.100, 95% +0.050 to +0.150'
    """
    return span(effect).replace(" (", ", 95% ").rstrip(")")


def taken_away(effect: Effect, p_corrected: float, tests: int) -> str:
    """A note for an effect that is significant only before the correction for several tests; empty for other effects.

    >>> taken_away(Effect(0.1, 0.01, 0.19, 0.03, 10, "t"), 0.18, 6)
    '; the interval does not contain 0, but the p-value is 0.180 after correction for 6 tests'
    >>> taken_away(Effect(0.1, -0.01, 0.2, 0.06, 10, "t"), 0.3, 6), taken_away(Effect(0.1, 0.01, 0.2, 0.01, 9, "t"), 0.02, 2)
    ('', '')
    """
    if p_corrected <= 0.05 or effect.lower <= 0 <= effect.upper:
        return ""
    return f"; the interval does not contain 0, but the p-value is {number(p_corrected)} after correction for {tests} tests"


def model_rows(model: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The rows about the model in a page's table, from the model part of a record."""
    return [
        ("model", model["name"]),
        ("format", model["format"]),
        ("input shape", " × ".join(str(s) for s in model["input_shape"])),
        ("classes", f"{model['num_classes']:,}"),
        ("preprocessing", plain_value(model["preprocessing"])),
    ]


def plain_value(value: Any) -> str:
    """Write a setting as text for a table. If the setting is a mapping, its empty and unset values are left out.

    >>> plain_value(0.05), plain_value([1, 2]), plain_value({"keep_label": True, "source": None, "cover": []})
    ('0.05', '1, 2', 'keep label: yes')
    """
    if value is None or value in ([], (), {}):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        kept = {k: v for k, v in value.items() if v is not None and v not in ([], (), {}, "")}
        return "; ".join(f"{str(k).replace('_', ' ')}: {plain_value(v)}" for k, v in kept.items()) or "none"
    return ", ".join(plain_value(v) for v in value) if isinstance(value, list | tuple) else str(value)
