"""The sentences in which an explanation states its result."""

from __future__ import annotations

from doldrum.explanations.compare import Choice
from doldrum.records.explanations import Explanation
from doldrum.report.words import percent

__all__ = ["unproven_why", "why"]


def unproven_why(choice: Choice | None, *, reached: bool) -> str:
    """A sentence that says why no pattern of an image was tested on the held-back images."""
    if not reached:
        return "This image was not reached, because the allowed queries or the allowed time were used up."
    if choice is None:
        return "Nothing was found in this image that changes other images to its class."
    if f"{choice.success:.0%}" == "0%":
        return "The pattern found in this image changes other images to its class no more often than patterns found in trusted images of that class."
    return (
        f"The pattern found in this image changes {choice.success:.0%} of the clean images used for the search to the class of this image. The same search in trusted images of that "
        "class found a pattern that works about as well. So the pattern may show only what images of this class look like."
    )


def why(found: Explanation, *, alpha: float) -> str:
    """Sentences that say what the test on the held-back images showed."""
    assert found.success is not None
    assert found.control is not None
    doing = {
        "region": f"Pasting its {found.size}",
        "shared": f"Adding the pattern that {found.together} flagged images share ({found.size})",
    }[found.kind or ""]
    into = "clean images" if found.scope is None else f"clean images of class {found.scope}"
    first = (
        f"{doing} into {found.success.n} held-back {into} made the model predict class {found.label} for {percent(found.success.value)} of these images. The "
        f"same search also found patterns in {found.controls} {'groups of ' if found.together > 1 else ''}trusted images of that class. Each of these patterns made the model predict that class for at most "
        f"{percent(found.control.value)} of the held-back images."
    )
    if found.proven:
        one_class = " The search tried several sizes and classes of images; this size and this class gave the clearest proof. The trigger may also work on images of other classes."
        return first if found.scope is None else first + one_class
    if found.holds is not None and found.holds > alpha:
        return f"{first} But trusted images of the class contain as much of this pattern as this image does, so nothing is proven."
    if found.rank is not None and found.rank > 0.05 and found.p_adjusted is not None and found.p_adjusted <= alpha:
        return f"{first} But over all sizes and forms of pattern, some trusted image stands out from the other images as far as this image does. So nothing is proven."
    return f"{first} The difference between these shares is too small for a proof."
