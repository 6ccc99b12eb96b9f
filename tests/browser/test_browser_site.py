"""The site in a real browser: headings, texts for pictures, contrast, keyboard; nothing is asked of a network.

It is built without the studies' pages and the docstrings, which take minutes: `make check` builds it whole.
"""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from test_browser_audit_page import AXE

ROOT = Path(__file__).parents[2]
LOOKED_AT = ("index", "tutorials/audit-a-model", "how-to/serve-a-model", "methods/profile", "results/index")
MARKUP = ("h1", "h2", "h3", "h4", "h5", "h6", "img")


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    config = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for old, new in (
        (r"^docs_dir: .*", f"docs_dir: {ROOT / 'docs'}"),
        (r"^site_dir: .*", f"site_dir: {folder / 'built'}"),
        (r"^strict: .*", "strict: false"),
        (r"^hooks: .*", ""),
        (r"^  - mkdocstrings:\n(?:    .*\n)+", ""),
    ):
        config, count = re.subn(old, new, config, flags=re.MULTILINE)
        assert count == 1, old
    (folder / "mkdocs.yml").write_text(config, encoding="utf-8")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--config-file", folder / "mkdocs.yml"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=_quiet())
    assert done.returncode == 0, done.stderr
    return folder / "built"


def _quiet() -> dict[str, str]:
    import os

    return {**os.environ, "NO_MKDOCS_2_WARNING": "1"}


class Article(HTMLParser):
    """The levels of an article's headings, and its pictures without a text."""

    def __init__(self) -> None:
        super().__init__()
        self.inside, self.levels, self.silent = False, list[int](), list[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = self.inside or tag == "article"
        if self.inside and tag in MARKUP[:6]:
            self.levels.append(int(tag[1]))
        if self.inside and tag == "img" and len(dict(attrs).get("alt") or "") < 10:
            self.silent.append(str(dict(attrs).get("src")))

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "article"


def test_headings_of_every_page_go_down_one_level_at_a_time_and_pictures_have_texts(site) -> None:
    written = (path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md"))
    pages = [
        site / path for path in written if (site / path).exists()
    ]  # not those of studies, which are no part of the theme
    assert len(pages) > 50
    for path in pages:
        article = Article()
        article.feed(path.read_text(encoding="utf-8"))
        levels = article.levels
        assert levels.count(1) == 1, path
        assert levels[0] == 1, path
        assert all(after - before <= 1 for before, after in itertools.pairwise(levels)), (path, levels)
        assert not article.silent, path


@pytest.fixture
def opened(browser, site):
    """`opened(page, dark=..., width=...)`: a page of the site, and what it asked for outside of the site."""
    contexts = []

    def open_page(name: str, *, dark: bool = False, width: int = 1280):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light", offline=True
        )
        contexts.append(context)
        context.set_default_timeout(60_000)  # CI's machine is slow, and many share it
        page, outside = context.new_page(), list[str]()

        def route(route):
            if route.request.url.startswith(site.as_uri()):
                return route.continue_()
            outside.append(route.request.url)
            return route.abort()

        page.route("**/*", route)
        page.goto((site / f"{name}.html").as_uri())
        return page, outside

    yield open_page
    for context in contexts:
        context.close()


# Each page and each scheme: a visit takes axe 4 s.
@pytest.mark.parametrize(("name", "dark"), [(name, bool(i % 2)) for i, name in enumerate(LOOKED_AT)], ids=LOOKED_AT)
def test_axe_finds_nothing_in_the_text_and_no_network_is_asked(opened, name, dark) -> None:
    page, outside = opened(name, dark=dark)
    page.evaluate(AXE.read_text(encoding="utf-8") + "; 0")
    found = page.evaluate(
        "() => axe.run({include: [['article']], exclude: [['.md-code__nav']]}, {resultTypes: ['violations']})"
    )  # but the copy buttons of the theme
    assert [(v["id"], v["nodes"][0]["html"]) for v in found["violations"]] == []
    assert len(found["passes"]) > 5
    assert outside == []


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", LOOKED_AT)
def test_a_page_is_not_wider_than_the_window(opened, name, width) -> None:
    page, _ = opened(name, width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_keyboard_skips_the_menu_and_reaches_the_links_of_the_text(opened, site) -> None:
    page, _ = opened("index")
    page.keyboard.press("Tab")
    focused = "document.activeElement"
    assert page.evaluate(f"{focused}.matches('.md-skip')")  # "Skip to content"
    shown = f"getComputedStyle({focused}).outlineStyle"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    if page.evaluate(f"{focused}.matches('.headerlink')"):  # that of the first heading, where we are
        page.keyboard.press("Tab")
    assert page.evaluate(f"!!{focused}.closest('article')")
    assert page.evaluate(f"{focused}.tagName") == "A"
    assert page.evaluate(shown) != "none"
    target = page.evaluate(f"{focused}.href")  # a link of the browser's own: Enter follows it
    assert (site / target.removeprefix(site.as_uri() + "/").partition("#")[0]).is_file()
