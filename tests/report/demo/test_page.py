"""The page holds every number, stands alone, and lets nothing hostile through."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest

from doldrum.records import Pixels
from doldrum.report.demo.page import engine_lines, png_uri, render_demo
from doldrum.report.demo.words import zero_share
from doldrum.report.words import percent, w

VOID = {"meta", "img", "br", "link", "hr", "input"}


class Reader(HTMLParser):
    """Collects tags, attributes and visible text, and checks that tags nest."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text, self.open = "", []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += data


@pytest.fixture(scope="module")
def page_of():
    kept = {}

    def render(record):
        return kept.setdefault(record.command, render_demo(record))

    return render


def test_the_page_has_every_number(demo_record, page_of):
    text = Reader(page_of(demo_record)).text
    for m in demo_record.models:
        for value in (m.clean_accuracy, m.asr, *m.clean_accuracy_ci, *m.asr_ci):
            assert percent(value) in text
        for value in (m.w_clean, m.w_triggered, *m.w_clean_ci, *m.w_triggered_ci):
            assert w(value) in text
    for c in demo_record.curves:
        for value in (*c.mean, *c.lower, *c.upper):
            assert w(value) in text
    for values in demo_record.w_at_half.values():
        assert percent(zero_share(values)) in text
    for said in (
        "by 0.107 (0.098 to 0.116)",
        "In this run, mean W fell by 0.11, which is inside that range",
        "0.0934",
        "doldrum demo --seed 0",
        "2.13.0",
        "8370C",
        "openvino bf16",
        "99.1%",
        "41.2",
    ):
        assert said in text


def test_the_page_stands_alone(demo_record, page_of):
    page = page_of(demo_record)
    assert not re.search(
        r"https?:|//[a-z]|<script|<link|<iframe|@import|javascript:|\son\w+=", re.sub(r"base64,[\w+/=]+", "", page)
    )
    reader = Reader(page)
    for tag, attrs in reader.tags:
        for name in ("src", "href", "xlink:href"):
            if attrs.get(name):
                assert str(attrs[name]).startswith(("data:image/png;base64,", "#")), (tag, attrs)
    assert all(m.startswith("#") for m in re.findall(r"url\(([^)]*)\)", page))
    (policy,) = [a["content"] for t, a in reader.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "script-src" not in policy


def test_the_page_is_accessible(demo_record, page_of):
    reader = Reader(page_of(demo_record))
    assert reader.open == []
    ids = [a["id"] for _, a in reader.tags if "id" in a]
    assert len(ids) == len(set(ids))
    used = re.findall(r'(?:url\(#|href="#)([\w-]+)', page_of(demo_record))
    assert set(used) <= set(ids)
    levels = [int(t[1]) for t, _ in reader.tags if re.fullmatch("h[1-6]", t)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))
    tags = [t for t, _ in reader.tags]
    assert tags.count("caption") == tags.count("table") == 2
    assert all(a.get("alt") for t, a in reader.tags if t == "img")
    assert all(a.get("role") == "img" and a.get("aria-label") for t, a in reader.tags if t == "svg")
    assert all("scope" in a for t, a in reader.tags if t == "th")


def test_hostile_text_stays_text(make):
    evil = '</style></title><script>alert(1)</script><img src="https://x.example/" onerror="y">&{{ 7*7 }}'
    record = make.record(
        class_names=[evil] * 10,
        command=evil,
        trigger={evil: evil},
        plan={"target": 0, "rate": 0.05, "note": evil},
        provenance={"versions": {"a": evil}, evil: evil, "engine": {"engine": evil, "agreement": 0.9}},
        seconds={evil: 1.0},
    )
    page = render_demo(record)
    reader = Reader(page)
    assert "script" not in {t for t, _ in reader.tags}
    assert not [a for _, a in reader.tags if "onerror" in a or "x.example" in str(a.get("src"))]
    assert evil in reader.text


@pytest.mark.parametrize("calm", [(0.0, (0.0, 0.0)), (0.4, (0.39, 0.41))])
def test_odd_records_render(make, calm):
    bad = make.summary("backdoored", w_triggered=calm[0], w_triggered_ci=calm[1])
    record = make.record(
        models=(make.summary("clean"), bad),
        w_at_half=dict.fromkeys(make.record().w_at_half, (0.0,)),
        examples=(),
        provenance={},
        seconds={},
        plan={},
    )
    page = render_demo(record)
    text = Reader(page).text
    assert "What came back" not in text
    assert "None" not in text
    assert ".." not in text
    assert " ," not in text


@pytest.mark.parametrize(
    ("engine", "said"),
    [
        ("eager fp32", ["eager fp32"]),
        (
            {"engine": "eager", "precision": "fp32", "agreement": 1.0},
            ["eager fp32: gives the same label", "100% of labels"],
        ),
        (
            {"clean": {"engine": "a", "agreement": 0.99}, "backdoored": {"engine": "b", "agreement": 0.98}},
            ["clean: a", "98.0%"],
        ),
        ({"name": "other", "threads": 2}, ["name: other; threads: 2"]),
    ],
)
def test_engines_of_any_shape_are_told(engine, said):
    text = " ".join(engine_lines(engine))
    assert all(part in text for part in said)


@pytest.mark.parametrize("shape", [(1, 3, 4), (3, 5, 2)])
def test_png_keeps_every_pixel(shape):
    from PIL import Image

    array = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    data = base64.b64decode(png_uri(Pixels.of(array)).split(",")[1])
    back = np.asarray(Image.open(io.BytesIO(data)))
    np.testing.assert_array_equal(
        back if shape[0] == 1 else back.transpose(2, 0, 1), array.squeeze() if shape[0] == 1 else array
    )


def test_the_same_record_gives_the_same_page(demo_record, page_of):
    assert render_demo(demo_record) == page_of(demo_record)
