"""The page of an inspection: the verdict first, everything inside of it, and nothing of hostile text but as text."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from inspection_sample import HOSTILE, sample, write_sample

from doldrum.errors import InputError
from doldrum.report.inspection.page import write_inspection_page


def _page(folder, record) -> str:
    return write_inspection_page(write_sample(folder, record)).read_text(encoding="utf-8")


def test_the_verdict_is_first_and_what_it_rests_on_is_there(tmp_path):
    text = _page(tmp_path / "out", sample())
    body = text[text.index("<body") :]
    assert body.index("<h1>Heading plain</h1>") < body.index("First plain") < body.index("<h2")
    assert "0.024" in body  # the p-value
    assert "97.0%" in body
    assert "95% interval: 91.0% to 99.0%" in body
    assert text.count("data:image/png;base64,") == 2 + 2 * 2
    assert "no valid answer" in body
    assert "+1.0 to +3.5" in body  # how far references go
    assert body.count("<circle") == 10
    assert body.count('class="most"') == 1
    assert "warp: plain" in body
    assert "below 1/41" in body
    assert "promised rate of false alarms" not in body


def test_without_references_it_says_that_nothing_is_promised(tmp_path):
    body = _page(tmp_path / "out", sample(references=False))
    assert "Without clean reference models, no rate of false alarms is promised." in body
    assert (
        "No rate of false alarms is promised here, because in a clean model, too, one class is furthest to the right."
        in body
    )
    assert '<rect class="band"' not in body


def test_what_was_not_found_leaves_no_section(tmp_path):
    record = sample(trigger=None, success=None)
    body = _page(tmp_path / "out", record)
    assert 'id="trigger"' not in body
    assert "data:image" not in body


def test_without_a_sign_what_was_found_is_called_a_change_and_not_a_trigger(tmp_path):
    calm = {"word": "no sign", "exit_code": 0, "heading": "H", "sentences": ["S"], "not_looked": ["more"]}
    body = _page(tmp_path / "out", sample(verdict=calm))
    body = body[body.index("<body") :]
    assert "The smallest change that was found</h2>" in body
    assert "success of the change" in body
    assert 'alt="the same image with the smallest change"' in body
    assert ": the trigger works" not in body
    assert 'class="moved"' not in body
    section = body[body.index('id="trigger"') : body.index('id="classes"')]
    assert "trigger" not in re.sub(r"<[^>]*>|^[^>]*>", "", section)
    assert "The trigger that was found</h2>" in _page(tmp_path / "other", sample())


def test_hostile_text_stays_text_and_no_request_or_script_is_allowed(tmp_path):
    text = _page(tmp_path / "out", sample(hostile=True))
    assert "<script" not in text
    assert "\u202e" not in text
    assert HOSTILE not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    assert "default-src &#39;none&#39;; script-src &#39;none&#39;" in policy[1]
    assert not re.search(r'(?:src|href)="(?!#|data:image/png)', text)


def test_pictures_that_are_none_are_passed_over(tmp_path):
    folder = write_sample(tmp_path / "out", sample())
    (folder / "pictures" / "trigger.png").write_bytes(b"<svg onload=alert(1)>")
    (folder / "pictures" / "change.png").unlink()
    (folder / "pictures" / "change.png").symlink_to("/etc/passwd")
    assert write_inspection_page(folder).read_text().count("data:image/png") == 2 * 2


def test_a_folder_without_a_record_is_refused(tmp_path):
    with pytest.raises(InputError, match="expected an InspectionRecord"):
        write_inspection_page(tmp_path)


def test_the_page_needs_no_torch(tmp_path):
    folder = write_sample(tmp_path / "out", sample())
    code = (
        "import sys; from doldrum.report.inspection.page import write_inspection_page; "
        f"write_inspection_page({str(folder)!r}); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_table_of_routes_is_text_with_headers_and_nothing_by_colour_alone(tmp_path):
    text = _page(tmp_path / "out", sample())
    tables = re.findall(r"<table.*?</table>", text, re.DOTALL)
    assert len(tables) == 2
    for table in tables:
        assert "<caption" in table
        assert len(re.findall("<th ", table)) == len(re.findall(r'<th scope="(?:col|row)"', table)) > 3
    (label,) = re.findall(r'<svg [^>]*role="img" aria-label="([^"]*)"', text)
    assert (
        label
        == "10 dots. The dot furthest to the right is 3 (plain3): +9.5. The most suspicious values of the reference models are from +1.0 to +3.5."
    )
    numbers = re.findall(r'<tr><th scope="row"><bdi>(.*?)</bdi>(.*?)</th><td class="num">(.*?)</td>', tables[1])
    assert [(route, "the verdict’s" in more, value) for route, more, value in numbers][:2] == [
        ("any class to 3 (plain3)", True, "+9.5"),
        ("any class to 9 (plain9)", False, "+1.2"),
    ]
    assert len(numbers) == 10
    moved = re.findall(r'<span class="hidden">becomes</span> <bdi class="(.*?)">(.*?)</bdi>(.*?)</span></li>', text)
    assert [(kind, name, ": the trigger works" in more) for kind, name, more in moved] == [
        ("moved", "3 (plain3)", True),
        ("", "no valid answer", False),
    ]
