"""doldrum datasets: the list, and a sheet of samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from doldrum.data import load_dataset
from doldrum.data.sheet import draw_sheet


def test_the_list_says_what_options_a_set_has(call) -> None:
    code, rows, _ = call("datasets", "--json")
    assert code == 0
    found = {row["name"]: row for row in rows}
    assert found["digits"]["options"] == {}
    assert found["textures"]["options"]["size"] == "side of the images in pixels, 32 to 224, by default 32"
    assert "ufoai-textures" in found["textures"]["how_to_get"]
    code, text, _ = call("datasets")
    assert code == 0
    assert "textures,size=...: side of the images" in text


def test_show_draws_a_sheet(call, tmp_path: Path) -> None:
    out = tmp_path / "new" / "sheet.png"
    code, summary, err = call("datasets", "--show", "digits:train", "--out", out, "--json")
    assert code == 0, err
    assert summary["data"] == "digits:train"
    assert f"wrote samples of digits:train to {out}" in err
    assert np.array_equal(np.asarray(Image.open(out)), np.asarray(draw_sheet(load_dataset("digits:train"))))
    assert call("datasets", "--show", "digits", "--out", out)[0] == 0  # a picture may be replaced


def test_what_show_refuses(call, tmp_path: Path) -> None:
    note = tmp_path / "note.png"
    note.write_text("not a picture")
    for words, says in (
        (("--show", "digits"), "expected --out with --show"),
        (("--show", "digits", "--out", tmp_path / "a.json"), "ends in .png"),
        (("--show", "digit", "--out", tmp_path / "a.png"), "expected a data set among"),
        (("--show", "digits", "--out", note), "which holds something else"),
        (("--out", note), "which holds something else"),
    ):
        code, _, err = call("datasets", *words)
        assert code == 2, words
        assert says in err, words
    assert note.read_text() == "not a picture"
