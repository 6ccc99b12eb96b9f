"""The sentences in which an explanation states its result."""

from __future__ import annotations

from doldrum.explanations.compare import Choice
from doldrum.records.explanations import Explanation
from doldrum.report.words import percent

__all__ = ["unproven_why", "why"]


def unproven_why(choice: Choice | None, *, reached: bool) -> str:
    """The reason why no pattern was tested on the held-back images."""
    if not reached:
        return "Not reached: the allowed queries or the allowed time were used up."
    if choice is None:
        return "Nothing was found in this image that changes other images to its class."
    if f"{choice.success:.0%}" == "0%":
        return "The pattern found in this image changes other images to its class no more often than patterns found in trusted images of that class."
    return (
        f"The pattern found in this image changes {choice.success:.0%} of the clean images used for the search to the class of this image. The same search in trusted images of that "
        "class found a pattern that works about as well. So the pattern may only show what the class looks like."
    )


def why(found: Explanation, *, alpha: float) -> str:
    """What the test on the held-back images showed, in sentences."""
    assert found.success is not None
    assert found.control is not None
    doing = {
        "region": f"Pasting its {found.size}",
        "shared": f"Adding what {found.together} flagged images share ({found.size})",
    }[found.kind or ""]
    into = "clean images" if found.scope is None else f"clean images of class {found.scope}"
    first = (
        f"{doing} into {found.success.n} held-back {into} turned {percent(found.success.value)} of them into class {found.label}. The "
        f"same search also found patterns in {found.controls} {'groups of ' if found.together > 1 else ''}trusted images of that class. Each of these patterns turned at most "
        f"{percent(found.control.value)} of the held-back images into that class."
    )
    if found.proven:
        one_class = " Of the sizes and classes tried, this size and this class gave the clearest proof. The trigger may work on images of other classes too."
        return first if found.scope is None else first + one_class
    if found.holds is not None and found.holds > alpha:
        return f"{first} But trusted images of the class contain as much of this pattern as this image does, so nothing is proven."
    if found.rank is not None and found.rank > 0.05 and found.p_adjusted is not None and found.p_adjusted <= alpha:
        return f"{first} But with another size or form, the search found a trusted image that stands out from the others as far as this image does. So nothing is proven."
    return f"{first} The difference is too small for a proof."
