"""What an explanation says, in a sentence."""

from __future__ import annotations

from doldrum.explanations.compare import Choice
from doldrum.records.explanations import Explanation
from doldrum.report.words import percent

__all__ = ["unproven_why", "why"]


def unproven_why(choice: Choice | None, *, reached: bool) -> str:
    """Why nothing was tested."""
    if not reached:
        return "Not reached: the queries or the time allowed were over."
    if choice is None:
        return "Nothing in this image took its class along when it was put on other images."
    return (
        f"What was found took its class along to {choice.success:.0%} of the images that it was chosen on, and the same search of trusted images of the "
        "class found as much: this may be what the class looks like."
    )


def why(found: Explanation, *, alpha: float) -> str:
    """What the test showed."""
    assert found.success is not None
    assert found.control is not None
    doing = {
        "region": f"Pasting its {found.size}",
        "shared": f"Adding what {found.together} flagged images share ({found.size})",
    }[found.kind or ""]
    into = "clean images" if found.scope is None else f"clean images of class {found.scope}"
    first = (
        f"{doing} into {found.success.n} held-back {into} turned {percent(found.success.value)} of them into class {found.label}; the best of "
        f"{found.controls} trusted {'groups' if found.together > 1 else 'images'} of the class turned {percent(found.control.value)}."
    )
    if found.proven:
        return first
    if found.holds is not None and found.holds > alpha:
        return f"{first} But this image does not hold more of it than trusted images do: unproven."
    if found.rank is not None and found.rank > 0.05 and found.p_adjusted is not None and found.p_adjusted <= alpha:
        return f"{first} But trusted images stand out as far in something else that was looked at: unproven."
    return f"{first} That is not enough more to be a proof."
