"""tools/attack-table: cells on disk, continued, and the sentences under the table."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tool_files import load_tool

table = load_tool("attack-table")


def cell(accuracy: float, asr: float) -> dict[str, Any]:
    def share(value: float) -> dict[str, float]:
        return {"value": value, "lower": value, "upper": value}

    return {"clean_accuracy": share(accuracy), "asr": share(asr), "training_seconds": 1.0, "total_seconds": 1.0}


def test_the_bar_is_an_asr_of_95_percent_within_a_point_of_the_clean_model() -> None:
    found = {
        "badnets": cell(0.915, 0.95), "blended": cell(0.92, 0.94), "wanet": cell(0.905, 0.99), "all-to-all": cell(0.92, 0.879),
    }  # fmt: skip
    cells = {(0, attack, 0.05): value for attack, value in found.items()}
    text = " ".join(table.sentences(cells, {"accuracy": 0.92}))
    assert (
        "Of 3 attacks that have one target class and change labels, 1 reach the aim for a poison rate of 5%: badnets."
        in text
    )
    assert "at most 1 point below that of the clean model. Of 3" in text
    assert "blended (94.0%, 0.00 points)" in text
    assert "wanet (99.0%, 1.50 points)" in text
    assert (
        "The aim for all-to-all is an ASR at most 4 points below the clean accuracy, that is, at least 88.0%. The ASR of all-to-all is 87.9%, which does not reach the aim for all-to-all."
        in text
    )


def test_every_attack_of_the_tables_and_the_clean_model_are_wanted_seed_by_seed() -> None:
    from doldrum.attacks import ATTACKS
    from doldrum.records.attacks import NEWER

    wanted = table.cells(None, seeds=2)
    older = set(ATTACKS) - {*NEWER}
    assert len(wanted) == len(set(wanted)) == 2 * (1 + len(older) + len(table.AT_1_PERCENT))
    assert {attack for _, attack, _ in wanted} == {"clean", *older}
    assert [seed for seed, _, _ in wanted] == sorted(seed for seed, _, _ in wanted)


def test_a_table_cut_short_goes_on_and_does_nothing_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = [
        sys.executable, table.__file__, "--data", "digits", "--recipe", "digits-mlp", "--change", "epochs=3", "--attacks", "badnets",
        "--seeds", "1", "--workers", "1", "--folder", str(tmp_path),
    ]  # fmt: skip
    env = {**os.environ, "DOLDRUM_VICTIMS": str(tmp_path / "victims"), "OMP_NUM_THREADS": "1"}
    with monkeypatch.context() as patch:  # the first three cells in this process, and the fourth in one of its own
        patch.setenv("DOLDRUM_VICTIMS", env["DOLDRUM_VICTIMS"])
        patch.setattr(table, "ProcessPoolExecutor", lambda workers, **options: ThreadPoolExecutor(workers))
        patch.setattr(sys, "argv", command[1:])
        table.main()
    cells = tmp_path / "attacks/digits.jsonl"
    lines = cells.read_text().splitlines()
    assert len(lines) == 3  # clean, 5%, 1%
    page = (tmp_path / "attacks-digits.md").read_text()
    assert "| badnets | 5% | 1 |" in page
    cells.write_text("\n".join(lines[:2]) + "\n" + lines[2][:30])  # a kill in the middle of a line
    again = subprocess.run(command, check=True, env=env, capture_output=True, text=True)
    read = cells.read_text().splitlines()
    whole = [json.loads(line) for line in read if line.endswith("}")]
    assert len(whole) == 3
    assert (whole[2]["asr"], whole[2]["attack"]) == (json.loads(lines[2])["asr"], json.loads(lines[2])["attack"])
    assert (again.stdout + again.stderr).count("accuracy") == 1
    assert (tmp_path / "attacks-digits.md").read_text() == page
