"""Words and turns of phrase to avoid, each with what to write instead: ../shared/STYLE.md, "How we write"."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["RULES", "Rule"]


@dataclass(frozen=True)
class Rule:
    """A pattern, and what to write in its place."""

    pattern: re.Pattern[str]
    better: str


def _rule(pattern: str, better: str) -> Rule:
    return Rule(re.compile(pattern, re.IGNORECASE | re.MULTILINE), better)


_THINGS = (
    "image|input|class|draw|strength|cell|model|file|line|channel|row|condition|second|core|CPU|sample|process|request|score|pixel|overlay|"
    "family|epoch|test|tile|seed|attack|candidate|page|record|node|detector|machine|feature"
)

_COUNTED = (
    "value|cluster|engine|dot|column|worker|share|case|format|row of scores|number|subfolder|row|mark|method|library|job|package|thread|"
    "copy|kind|way"
)

RULES = (
    # words that are old, rare, or false friends
    _rule(r"\bmend(s|ed|ing)?\b", "fix"),
    _rule(r"\banew\b", "again, new, retrain, redraw"),
    _rule(r"\bstray(s|ed)?\b", "outlier; differ"),
    _rule(r"\b(whoever|whosoever)\b", "anyone who"),
    _rule(r"\b(thereof|whereof|hereof|therein|wherein|herein|thereby|whereby|thereupon|hitherto|heretofore)\b", "plain words"),
    _rule(r"\b(whilst|amidst|amongst)\b", "while, among"),
    _rule(r"\b(albeit|lest|nought|aught|forsooth|perchance)\b", "plain words"),
    _rule(r"\blikewise\b", "in the same way, also"),
    _rule(r"\b(lies|lie|lay|lying|lain)\b", "is in, is on, is kept in; is between"),
    _rule(r"\bput (that|this|it) right\b", "fix the problem"),
    _rule(r"\bby way of\b", "by, through"),
    _rule(r"\bfor want of\b", "because there is no"),
    _rule(r"\bas it were\b", "leave it out"),
    _rule(r"\bfor honest reasons\b", "for a harmless reason"),
    _rule(r"\bnobody here\b", "somebody else"),
    # about, not some
    _rule(r"\bsome (hundred|thousand|dozen|ten|score)s?\b", "a few hundred, about a hundred"),
    _rule(r"\bsome \d[\d,.]*(?![\d\w]*D\b)", "about"),
    _rule(r"\ball but (the same|certain|fixes|identical|useless|impossible)\b", "almost"),
    # inversion for effect
    _rule(r"(?:^[ \t]*|[.!] )(?-i:Were|Had) (it|all|they|the|this|that|there|one|any)\b(?![^.?]*\?)", "If …"),
    _rule(r"\bwere (it|they|all) to\b", "if it did"),
    # what cannot be read
    _rule(r"\bwhat (can't|cannot) be\b", "files (images, …) that cannot be"),
    _rule(r"\brun the same again\b", "run the same command again"),
    _rule(r"\bthe same (command )?again goes on\b", "run the same command again to continue"),
    _rule(r"\b(the )?same command goes on\b", "run the same command again to continue"),
    _rule(r"\bcut off, which goes on\b", "interrupted run, which is continued"),
    _rule(r"\bgoes? with the (process|run|command)\b", "is deleted when it ends"),
    # one X per Y
    _rule(
        rf"\b(one|a|two) ({_COUNTED})s? an? ({_THINGS}|worker|label|CPU|sample|route|group|strength)\b(?! (of|that|which|has|had|is|was|took|takes))",
        "one … per …",
    ),
    _rule(rf"\bone an? ({_THINGS})\b", "one per …"),
    _rule(rf"\b(forwards?|draws|labels?|images|rows|requests) an? ({_THINGS})\b(?! (took|takes|has|had|gets|got|needs))", "per"),
)  # fmt: skip
