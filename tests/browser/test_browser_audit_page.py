"""The audit's page in a real browser: what it does by mouse and keyboard, how it looks, and what it refuses to do."""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path

import audit_sample as sample
import pandas as pd
import pytest

from doldrum.intake.text import visible
from doldrum.report.audit.page import write_audit_page

AXE = Path(__file__).parent / "axe" / "axe.min.js"
EVIL = [
    "<script>window.pwned = 1</script>.png",
    "\"'><svg onload=window.pwned=2>.png",
    "</script><script>window.pwned=3</script>",
    "\x1b[31mred\x1b[0m\u202egnp.exe",
    "<!--<script>{{7*7}}&amp;.png",
    "-->]]><img src=x onerror=window.pwned=4>",
    "\u05e9\u05dc\u05d5\u05dd.png",
    "a" * 3000 + ".png",
]


def made(folder, *, pictures, **options):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sample, "SHOWN", pictures)
        sample.sample_audit(folder, **options)
    return write_audit_page(folder)


@pytest.fixture(scope="session")
def report(tmp_path_factory):
    """A report of 250 rows and 40 pictures; the tests only look at it."""
    return made(tmp_path_factory.mktemp("audit"), rows=250, pictures=40)


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """A report of 12 rows: axe goes through it in seconds."""
    return made(tmp_path_factory.mktemp("small"), rows=12, pictures=12)


@pytest.fixture(scope="session")
def large(tmp_path_factory):
    """A report of 10,000 rows."""
    return made(tmp_path_factory.mktemp("large"), rows=10_000, pictures=200)


@pytest.fixture(scope="session")
def hostile(tmp_path_factory):
    """A report whose names, classes, notes and skipped files are attacks."""
    folder = tmp_path_factory.mktemp("hostile")
    names = [EVIL[i % len(EVIL)][:4000] for i in range(60)]
    sample.sample_audit(folder, rows=60, ids=names, class_names=names[:10])
    record = json.loads((folder / "record.json").read_text())
    record["model"]["name"], record["command"] = EVIL[0], EVIL[2]
    record["model"]["notes"] = list(EVIL)
    record["images"]["source"] = EVIL[1]
    record["images"]["skipped"] = [{"id": e, "why": e} for e in EVIL]
    record["verdict"]["heading"], record["verdict"]["sentences"] = EVIL[2], EVIL[:2]
    for family in record["band"]:
        family["name"] = EVIL[5]
    (folder / "record.json").write_text(json.dumps(record))
    return write_audit_page(folder)


def test_it_opens_from_disk_without_a_message_or_a_request(visit, report):
    seen = visit(report)
    seen.page.mouse.wheel(0, 20_000)
    seen.page.wait_for_timeout(200)
    assert seen.quiet(), (seen.messages, seen.requests)
    assert (
        seen.page.evaluate("performance.getEntriesByType('resource').filter(e => !e.name.startsWith('data:')).length")
        == 0
    )


def test_the_policy_is_in_force(visit, report):
    page = visit(report).page
    blocked = page.evaluate(
        """() => new Promise((done) => {
            const seen = [];
            document.addEventListener('securitypolicyviolation', (e) => seen.push(e.effectiveDirective));
            const script = document.createElement('script');
            try { script.textContent = 'window.pwned = 1'; } catch { seen.push('trusted-types'); }
            document.body.append(script);
            const style = document.createElement('style');
            style.textContent = 'body { color: red }';
            document.body.append(style);
            const image = new Image();
            image.src = 'https://example.com/x.png';
            document.body.append(image);
            fetch('https://example.com/').catch(() => 0);
            const div = document.createElement('div');
            try { div.innerHTML = '<b>x</b>'; } catch { seen.push('innerHTML'); }
            setTimeout(() => done(seen), 300);
        })"""
    )
    assert {"style-src-elem", "img-src", "connect-src", "innerHTML"} <= set(blocked)
    assert {"trusted-types", "script-src-elem"} & set(blocked)
    assert page.evaluate("window.pwned") is None


def test_hostile_names_are_text(visit, hostile):
    seen = visit(hostile)
    page = seen.page
    assert seen.quiet(), (seen.messages, seen.requests)
    assert page.evaluate("window.pwned") is None
    assert page.locator("script").count() == 2
    assert page.locator("[onload], [onerror]").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    text = page.locator("#rows").inner_text() + page.locator("#skipped").text_content()
    assert EVIL[0] in text
    assert "\\x1b[31mred\\x1b[0m\\u202egnp.exe" in text
    assert not {"\x1b", "\u202e"} & set(page.content())
    page.locator("#rows tbody tr").first.click()
    assert page.locator("dialog h3 bdi").inner_text() in {visible(e) for e in EVIL}
    page.keyboard.press("ArrowRight")
    assert page.evaluate("window.pwned") is None


def test_it_is_readable_without_javascript(visit, report):
    record = json.loads((report.parent / "record.json").read_text())
    page = visit(report, script=False).page
    text = page.locator("main").inner_text()
    assert record["verdict"]["heading"] in text
    for sentence in record["verdict"]["sentences"]:
        assert sentence in text
    assert f"{record['flags']['count']:,}" in text
    assert page.locator("#cards article.flagged").first.is_visible()
    assert page.locator("#cards article").first.locator("img").first.is_visible()
    assert page.locator("#rows tbody tr").count() == 50
    assert page.get_by_text("Without JavaScript").is_visible()
    assert not page.locator("#gallery-tools").is_visible()
    assert not page.locator(".enlarge").first.is_visible()


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_is_cut_off(visit, hostile, width):
    page = visit(hostile, width=width).page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator("#cards .enlarge").first.click()
    assert page.evaluate("document.querySelector('dialog .body').scrollWidth") <= width
    assert page.locator("dialog [data-go='0']").bounding_box()["x"] < width - 50


# Each width and each scheme: a visit takes axe 8 s.
@pytest.mark.parametrize(
    ("width", "dark"), [(360, True), (768, False), (1280, True)], ids=["360-dark", "768-light", "1280-dark"]
)
def test_axe_finds_nothing(visit, small, width, dark):
    page = visit(small, width=width, dark=dark).page
    page.locator("#gallery-tools [name=state]").select_option("")
    page.locator("#cards summary").first.click()
    page.evaluate(AXE.read_text(encoding="utf-8") + "; 0")
    assert axe(page, "body") == ([], [])
    page.locator("#cards .enlarge").first.click()
    assert axe(page, "dialog") == ([], [])


def axe(page, part):
    """Violations, and what axe could not decide beside the ticks inside of SVG drawings, which are hidden from it."""
    found = page.evaluate("(part) => axe.run(part, {resultTypes: ['violations', 'incomplete']})", part)
    violations = [(v["id"], v["nodes"][0]["html"], v["nodes"][0]["failureSummary"]) for v in found["violations"]]
    open_ones = [
        (v["id"], n["html"]) for v in found["incomplete"] for n in v["nodes"] if not n["html"].startswith("<text")
    ]
    assert len(found["passes"]) > 10
    return violations, open_ones


def test_the_switch_of_colours(visit, report):
    page = visit(report).page
    background = lambda: page.evaluate("getComputedStyle(document.body).backgroundColor")  # noqa: E731
    light = background()
    page.get_by_label("Colours").select_option("dark")
    dark = background()
    assert sum(map(int, dark[4:-1].split(","))) < 150 < 600 < sum(map(int, light[4:-1].split(",")))
    page.emulate_media(color_scheme="dark")
    page.get_by_label("Colours").select_option("light")
    assert background() == light
    page.get_by_label("Colours").select_option("")
    assert background() == dark
    page.emulate_media(media="print")
    assert background() == "rgb(255, 255, 255)"


def names(page):
    return page.locator("#cards article:visible h3 bdi").all_inner_texts()


def test_the_gallery_sorts_filters_and_searches(visit, report):
    page = visit(report).page
    rows = pd.read_parquet(report.parent / "rows.parquet")
    ranked = rows.sort_values(["p_value", "score"], ascending=[True, False], kind="stable")
    flagged = ranked[ranked.flag].id.tolist()
    part = flagged[:24]
    assert names(page) == part
    tools = page.locator("#gallery-tools")
    tools.get_by_label("Search").fill(flagged[1].upper())
    assert names(page) == [n for n in flagged if flagged[1].lower() in n.lower()]
    assert "1 shown" in tools.locator("output").inner_text()
    tools.get_by_label("Search").fill("no such name")
    assert names(page) == []
    tools.get_by_label("Search").fill("")
    tools.get_by_label("Sort").select_option("name")
    shown = names(page)
    assert shown != part
    assert shown == page.evaluate("(n) => n.sort(new Intl.Collator(undefined, {numeric: true}).compare)", flagged)[:24]
    tools.get_by_label("Sort").select_option("first")
    options = tools.locator("[name=label] option").all_inner_texts()
    tools.locator("[name=label]").select_option(options[1])
    assert set(page.locator("#cards article:visible [data-fill=label]").all_inner_texts()) <= {options[1]}
    tools.locator("[name=label]").select_option("")
    tools.get_by_label("Show").select_option("")
    if page.locator("#more").is_visible():
        page.get_by_role("button", name="Show all").click()
    assert len(names(page)) == page.locator("#cards article").count()


def test_an_input_is_enlarged_by_mouse_and_by_keyboard(visit, report):
    page = visit(report).page
    dialog = page.locator("dialog")
    order = names(page)
    button = page.locator("#cards article:visible .enlarge").first
    button.focus()
    page.keyboard.press("Enter")
    assert dialog.locator("h3 bdi").inner_text() == order[0]
    assert page.evaluate("document.activeElement.textContent") == "Close"
    assert dialog.get_by_role("button", name="Previous").is_disabled()
    page.keyboard.press("ArrowRight")
    assert dialog.locator("h3 bdi").inner_text() == order[1]
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert dialog.locator("h3 bdi").inner_text() == order[0]
    assert dialog.locator("img").first.bounding_box()["width"] > 200
    assert dialog.locator("table").is_visible()
    for _ in range(6):  # the focus stays inside
        page.keyboard.press("Tab")
        assert page.evaluate(
            "document.activeElement === document.body || document.querySelector('dialog').contains(document.activeElement)"
        )
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    assert page.evaluate("document.activeElement.className") == "enlarge"
    page.locator("#cards article:visible .shot img").nth(1).click()
    assert dialog.locator("h3 bdi").inner_text() == order[1]
    page.mouse.click(5, 5)
    assert not dialog.is_visible()


def test_the_table_by_keyboard(visit, report):
    page = visit(report).page
    grid = page.get_by_role("grid")
    assert grid.get_attribute("aria-rowcount") == "251"
    grid.focus()
    current = lambda: page.locator(f"#{grid.get_attribute('aria-activedescendant')}")  # noqa: E731
    page.keyboard.press("ArrowDown")
    assert current().get_attribute("aria-rowindex") == "2"
    page.keyboard.press("End")
    assert current().get_attribute("aria-rowindex") == "251"
    box, frame = current().bounding_box(), page.locator("#rows").bounding_box()
    assert frame["y"] <= box["y"]
    assert box["y"] + box["height"] <= frame["y"] + frame["height"] + 1
    page.keyboard.press("PageUp")
    assert 200 < int(current().get_attribute("aria-rowindex")) < 251
    name = current().locator(".c-id").inner_text()
    page.keyboard.press("Enter")
    assert page.locator("dialog h3 bdi").inner_text() == name
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.getAttribute('role')") == "grid"
    page.keyboard.press("Home")
    assert current().get_attribute("aria-rowindex") == "2"


def test_the_table_sorts_and_filters(visit, report):
    page = visit(report).page
    rows = pd.read_parquet(report.parent / "rows.parquet")
    header = page.get_by_role("columnheader", name="Score")
    header.get_by_role("button").click()
    assert header.get_attribute("aria-sort") == "ascending"
    assert float(page.locator("#rows tbody tr .c-score").first.inner_text()) == pytest.approx(
        rows.score.min(), rel=1e-3
    )
    header.get_by_role("button").click()
    assert header.get_attribute("aria-sort") == "descending"
    assert float(page.locator("#rows tbody tr .c-score").first.inner_text()) == pytest.approx(
        rows.score.max(), rel=1e-3
    )
    tools = page.locator("#rows-tools")
    tools.get_by_label("Show").select_option("flagged")
    assert page.get_by_role("grid").get_attribute("aria-rowcount") == str(rows.flag.sum() + 1)
    tools.get_by_label("Show").select_option("")
    tools.get_by_label("Search").fill(rows.id[7])
    assert (
        page.locator("#rows tbody tr:visible .c-id").all_inner_texts()
        == rows.id[rows.id.str.contains(rows.id[7], regex=False)].tolist()
    )


def test_an_input_without_a_picture_shows_its_profile(visit, report):
    page = visit(report).page
    rows = pd.read_parquet(report.parent / "rows.parquet")
    plain = rows[rows.picture.isna() & ~rows.flag].iloc[0]
    page.locator("#rows-tools").get_by_label("Search").fill(plain.id)
    page.locator("#rows tbody tr:visible").first.click()
    dialog = page.locator("dialog")
    assert dialog.locator("h3 bdi").inner_text() == plain.id
    assert dialog.locator("[data-kept]").all_inner_texts() == [f"{int(100 * k + 0.5)}%" for k in plain.kept]
    assert dialog.locator("circle").count() == len(plain.kept)


def test_ten_thousand_rows_open_and_scroll_fast(visit, large):
    start = time.perf_counter()
    page = visit(large).page
    page.get_by_role("grid").get_by_role("row").nth(5).wait_for()
    opened = time.perf_counter() - start
    frames = page.evaluate(
        """async () => {
            const box = document.getElementById('rows'), times = [];
            let last = await new Promise(requestAnimationFrame);
            for (let n = 0; n < 90; n++) {
                box.scrollTop += n < 60 ? 120 : 9000;
                const now = await new Promise(requestAnimationFrame);
                times.push(now - last);
                last = now;
            }
            return times;
        }"""
    )
    assert page.get_by_role("grid").get_attribute("aria-rowcount") == "10001"
    assert page.locator("#rows tr").count() < 100
    # In view is what belongs there: the rank in a row is its place in the list.
    page.wait_for_timeout(100)
    first = page.evaluate(
        "Math.floor(document.getElementById('rows').scrollTop / document.querySelector('#rows tbody tr').offsetHeight)"
    )
    ranks = [int(t.replace(",", "")) for t in page.locator("#rows tbody .c-rank").all_inner_texts()]
    assert {first + 1, first + 8} <= set(ranks)
    print(f"opened in {opened:.2f} s, median frame {statistics.median(frames):.1f} ms, worst {max(frames):.0f} ms")
    assert opened < 30
    assert statistics.median(frames) < 150  # 17 where the machine is idle; CI's is not


def test_it_prints(visit, report):
    page = visit(report).page
    pdf = page.pdf(format="A4")
    assert pdf.startswith(b"%PDF")
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    assert not page.locator("#gallery-tools").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
