"""The table of tools/staged-study, from records made by hand."""

from __future__ import annotations

from tool_files import load_tool

study = load_tool("staged-study")


def record(attack: str, seed: int, found: tuple[int, int], false: tuple[int, int]) -> dict:
    def one(hits: int, flags: int) -> dict:
        return {
            "found_hits": [0, 0, hits, 0], "hits": 200, "auroc_hits": 0.9, "false": [0, 0, flags, 0], "forwards_clean": 20.0 + seed,
            "forwards_hits": 100.0,
        }  # fmt: skip

    return {
        "attack": attack, "seed": seed,
        "detectors": {"profile": one(found[0], false[0]), "staged-profile": one(found[1], false[1])},
    }  # fmt: skip


def test_a_line_is_the_mean_of_an_attacks_seeds_and_the_last_of_all_attacks():
    rows = [
        record("bpp", 6, (100, 120), (10, 11)), record("bpp", 7, (140, 160), (12, 30)), record("sig", 6, (0, 200), (2, 9)),
    ]  # fmt: skip
    lines = study.table(rows).splitlines()
    assert lines[2] == "| bpp | 0.600 | 0.700 | 0.9000 | 0.9000 | 26.5 | 100 | 11.0 | 20.5 |"
    assert lines[3] == "| sig | 0.000 | 1.000 | 0.9000 | 0.9000 | 26.0 | 100 | 2.0 | 9.0 |"
    assert lines[4] == "| **mean of 2** | 0.300 | 0.850 | 0.9000 | 0.9000 | 26.2 | 100 | 6.5 | 14.8 |"
    assert lines[-1].endswith("(3 to 20) on 2 of 3 victims")
