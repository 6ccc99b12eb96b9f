"""Find the base of an emoji: emoji that differ only in skin tone, gender or age have the same base."""

from __future__ import annotations

from doldrum.errors import InputError

__all__ = ["base_of"]

_SKIN_TONES = {"1F3FB", "1F3FC", "1F3FD", "1F3FE", "1F3FF"}
_SIGNS = {"200D", "FE0F", "2640", "2642", "27A1"}  # joiner, variation, female, male, "facing right"
_HAIR = {"1F9B0", "1F9B1", "1F9B2", "1F9B3"}
# Code points of their own that differ only by gender or number of genders, and what stands for them.
_ALIKE = {
    member: group[0]
    for group in (
        ("1F9D1", "1F468", "1F469", "1F472", "1F9D4", "1F471"),  # adult; cap, beard, blond hair: may be drawn alike
        ("1F9D2", "1F466", "1F467"),  # child
        ("1F9D3", "1F474", "1F475"),  # older adult
        ("1F385", "1F936", "1F384"),  # Santa, Mrs Claus, Mx Claus (adult + tree)
        ("1FAC5", "1F934", "1F478"),  # crown
        ("1F57A", "1F483"),  # dancing
        ("1F46B", "1F46C", "1F46D", "1F91D"),  # two people holding hands
        ("1FAC4", "1FAC3", "1F930"),  # pregnant
        ("1F470", "1F935"),  # veil, tuxedo
    )
    for member in group
}
# Flags that a vendor draws with the very same pixels, so that both must be on one side.
_SAME_FLAG = {
    member: group[0]
    for group in (
        ("1F1EB-1F1F7", "1F1E8-1F1F5", "1F1F2-1F1EB"),  # France, Clipperton, St Martin
        ("1F1EA-1F1F8", "1F1EA-1F1E6"),  # Spain, Ceuta and Melilla
        ("1F1EE-1F1F4", "1F1E9-1F1EC"),  # British Indian Ocean Territory, Diego Garcia
        ("1F1F8-1F1E6", "1F1E8-1F1F6"),  # SA, CQ in Google's sheet
        ("1F1F3-1F1F4", "1F1E7-1F1FB", "1F1F8-1F1EF"),  # Norway, Bouvet, Svalbard
        ("1F1E6-1F1FA", "1F1ED-1F1F2"),  # Australia, Heard and McDonald
        ("1F1FA-1F1F8", "1F1FA-1F1F2"),  # the United States, their outlying islands
    )
    for member in group
}
_ADULT, _CHILD, _FAMILY = "1F9D1", "1F9D2", "1F46A"


def base_of(unified: str) -> str:
    """The base of an emoji, given its code points ("1F468-1F3FB-200D-2695-FE0F").

    Variants in skin tone, gender and hair have the same base.

    The base of an occupation is its symbol (2695 for a doctor). All emoji of groups of adults and children have the
    base "family".

    >>> base_of("1F468-1F3FB-200D-2695-FE0F") == base_of("1F9D1-200D-2695-FE0F") == "2695"
    True
    >>> base_of("1F468-200D-1F469-200D-1F466"), base_of("1F44B-1F3FD"), base_of("1F936-1F3FB") == base_of("1F385")
    ('1F46A', '1F44B', True)
    """
    codes = unified.upper().split("-")
    if not all(c and set(c) <= set("0123456789ABCDEF") for c in codes):
        raise InputError(f"expected code points such as 1F468-200D-2695, got {unified!r}")
    kept = [c for c in codes if c not in _SKIN_TONES | _SIGNS]
    if not kept:  # the signs themselves, such as the joiner-free 2640-FE0F
        return "-".join(c for c in codes if c != "FE0F")
    kept = [_ALIKE.get(c, c) for c in kept]
    people = [c for c in kept if c in (_ADULT, _CHILD)]
    rest = [c for c in kept if c not in (_ADULT, _CHILD)]
    if rest and people:
        signs = [c for c in rest if c not in _HAIR]
        return "-".join(signs) if signs else people[0]
    if len(people) > 1 or kept == [_FAMILY]:
        return _FAMILY
    joined = "-".join(rest or people)
    return _SAME_FLAG.get(joined, joined)
