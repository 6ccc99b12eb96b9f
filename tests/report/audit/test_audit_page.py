"""The audit's page without a browser: its policy, its data, its pictures and what it refuses to read."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import os
import re
import struct
import subprocess
import sys
import zlib
from html import unescape

import numpy as np
import pandas as pd
import pytest
from audit_sample import sample_audit

from doldrum.errors import InputError
from doldrum.report.audit.page import write_audit_page
from doldrum.report.audit.profile import panels
from doldrum.report.pictures import Pictures


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("audit")
    sample_audit(made, rows=300)
    return made


@pytest.fixture(scope="module")
def page(folder):
    return write_audit_page(folder).read_text(encoding="utf-8")


def element(page, pattern):
    (found,) = re.findall(pattern, page, re.DOTALL)
    return found


def test_the_policy_names_the_hashes_of_what_is_inside(page):
    policy = unescape(element(page, r'Content-Security-Policy" content="([^"]*)"'))
    for directive, pattern in (("script-src", r"<script>(.*?)</script>"), ("style-src", r"<style>(.*?)</style>")):
        digest = base64.b64encode(hashlib.sha256(element(page, pattern).encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "img-src data:;" in policy
    assert len(re.findall("<script", page)) == 2
    assert not re.search(r"\sstyle=|<link|@import|javascript:|\son\w+=", re.sub(r"base64,[\w+/=]+", "", page))
    assert set(re.findall(r'(?:src|href)="(data:image/png;base64,|#|.{0,20})', page)) == {"data:image/png;base64,", "#"}


def test_the_page_has_the_record_and_every_row(folder, page):
    record = json.loads((folder / "record.json").read_text())
    text = unescape(page)
    for said in (
        record["verdict"]["heading"],
        *record["verdict"]["sentences"],
        record["command"],
        record["model"]["sha256"],
        str(record["seed"]),
    ):
        assert said in text
    for skipped in record["images"]["skipped"]:
        assert skipped["id"] in text
        assert skipped["why"] in text
    rows = pd.read_parquet(folder / "rows.parquet")
    data = json.loads(element(page, r'id="data">(.*?)</script>'))
    assert sorted(data["id"]) == sorted(rows.id)
    assert data["p"] == sorted(rows.p_value)
    by_id = rows.set_index("id")
    for i, name in enumerate(data["id"]):
        row = by_id.loc[name]
        np.testing.assert_allclose(np.array(data["kept"][i]) / 100, row.kept, atol=0.0051)
        assert data["score"][i] == pytest.approx(row.score, rel=1e-4)
        assert (data["state"][i] > 0) == row.flag
    assert len(re.findall(r'<article class="input', page)) == min((rows.picture.notna() | rows.flag).sum(), 200) + 1


def test_it_is_the_same_each_time_and_needs_no_torch(folder, page):
    code = (
        "import sys; from doldrum.report.audit.page import write_audit_page; "
        f"write_audit_page({str(folder)!r}); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert (folder / "report.html").read_text(encoding="utf-8") == page


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows.drop(columns="kept"), "none named"),
        (lambda rows: rows.assign(kept=[[0.5]] * len(rows)), "shares of kept labels in every row"),
        (lambda rows: rows.assign(score=np.nan), "finite score"),
        (lambda rows: rows.assign(came_back="[1]"), "came_back"),
        (lambda rows: rows.assign(came_back="[" * 100_000), "came_back"),
    ],
)
def test_rows_that_no_audit_wrote_are_refused(folder, tmp_path, change, said):
    (tmp_path / "record.json").write_bytes((folder / "record.json").read_bytes())
    change(pd.read_parquet(folder / "rows.parquet")).to_parquet(tmp_path / "rows.parquet")
    with pytest.raises(InputError, match=said):
        write_audit_page(tmp_path)
    (tmp_path / "rows.parquet").write_bytes(b"PAR1 no parquet")
    with pytest.raises(InputError, match="Parquet"):
        write_audit_page(tmp_path)
    assert not (tmp_path / "report.html").exists()


def png(width, height):
    raw = b"".join(b"\0" + bytes(width) for _ in range(min(height, 100)))
    chunk = lambda kind, body: struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))  # noqa: E731
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


def test_only_small_plain_png_files_are_taken(tmp_path):
    inside = tmp_path / "pictures"
    inside.mkdir()
    (inside / "00000.png").write_bytes(png(8, 4))
    (tmp_path / "secret.png").write_bytes(png(8, 8))
    os.symlink(tmp_path / "secret.png", inside / "00001.png")
    (inside / "00002.png").write_bytes(b"<svg onload=alert(1)>" + bytes(100))
    (inside / "00003.png").write_bytes(png(30_000, 1))
    (inside / "00004.png").mkdir()
    os.mkfifo(inside / "00005.png")
    (inside / "00006.png").write_bytes(png(8, 8) + bytes(5 * 2**20))
    for strength in ("0.2", "0.05", "x", "1e999e9"):
        (inside / f"00000-noisy-{strength}.png").write_bytes(png(8, 4))
    found = Pictures(inside)
    shot = found.main("00000.png")
    assert shot is not None
    assert (shot.width, shot.height) == (8, 4)
    assert base64.b64decode(shot.uri.removeprefix("data:image/png;base64,")) == png(8, 4)
    assert [found.main(f"{i:05d}.png") for i in range(1, 7)] == [None] * 6
    assert [found.main(n) for n in ("../secret.png", "/etc/passwd", "00000-noisy-0.2.png", "", None)] == [None] * 5
    assert [s.strength for s in found.noisy("00000.png")] == ["0.05", "0.2"]
    assert Pictures(tmp_path / "absent").main("00000.png") is None


def test_pictures_stop_at_the_budget(tmp_path):
    for i in range(4):
        (tmp_path / f"{i:05d}.png").write_bytes(png(8, 8))
    found = Pictures(tmp_path, budget=2 * len(png(8, 8)) + 1)
    assert [found.main(f"{i:05d}.png") is None for i in range(4)] == [False, False, True, True]
    assert found.left_out == 2


def test_a_panel_places_shares_and_marks_what_lies_outside():
    one, two = panels(
        [("a", [0.1, 0.2, 0.4], [0.5, 0.4, 0.1], [0.7, 0.6, 0.3], [1, 0.9, 0.5]), ("b", [3.0], [0.2], [0.4], [0.6])]
    )
    assert one.marks([1.0, 0.3, 0.5, 0.7]) == [(18.0, 7.0, False), (80.0, 52.5, True), (142.0, 39.5, False)]
    assert two.marks([1.0, 0.3, 0.5, 0.7]) == [(80.0, 26.5, True)]
    assert one.marks([None, 0.5, None, 0.0]) == [(80.0, 39.5, False)]
    assert one.band == "18,7 80,13.5 142,39.5 142,65.5 80,46 18,39.5"
    assert two.band.split()[0].startswith("66,")  # a single strength has a band of some width


def test_discoveries_beyond_the_flags_are_not_called_flagged(tmp_path):
    record = sample_audit(tmp_path, rows=80, triggered=0.3)
    frame = pd.read_parquet(tmp_path / "rows.parquet")
    frame["flag"], frame["discovery"] = frame.p_value <= 0.0014, frame.p_value <= 0.2
    frame.to_parquet(tmp_path / "rows.parquet", index=False)
    flagged, found = int(frame.flag.sum()), int(frame.discovery.sum())
    assert 0 < flagged < found
    flags = {"count": flagged, "discoveries": found, "limit": flagged + 1, "more_than_promised": False}
    dataclasses.replace(record, flags={**(record.flags or {}), **flags}).save(tmp_path / "record.json")
    page = unescape(write_audit_page(tmp_path).read_text(encoding="utf-8"))
    data = json.loads(element(page, r'id="data">(.*?)</script>'))
    states = dict(zip(data["id"], data["state"], strict=True))
    assert [states[i] for i in frame.id] == (2 * frame.flag + frame.discovery).tolist()
    assert "discovery, not flagged" in page
    assert "discoveries among them" not in page
    widths = [float(w) for w in re.findall(r'<rect width="([\d.]+)" height="10"', page)]
    assert max(widths) <= 100
