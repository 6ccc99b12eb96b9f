"""tools/check-words finds what a reader has to read twice, where it is, and leaves code alone."""

from __future__ import annotations

import doctest
import subprocess
import sys
from pathlib import Path

import pytest
from wording import check as checking
from wording.check import check
from wording.rules import RULES
from wording.sentences import draw, sentences

ROOT = Path(__file__).parents[2]
BAD = (
    "mend the file", "The model is trained anew.", "a few are strays", "whoever asks", "the sum thereof", "It lies in [0, 1].", "beside it lie two files",
    "Some 6 images are flagged.", "some hundreds of images", "A label is made likewise.", "Were all clean, 6 would be.", "Had it failed, it would stop.",
    "one label; one an image", "64 forwards an input", "put that right and go on", "run the same again", "all but the same", "what can't be read is listed",
    "weights read by way of links", "images from nobody here", "one worker a CPU", "a row of scores an image",
)  # fmt: skip
GOOD = (
    "fix the file", "The model is retrained.", "a few are outliers", "anyone who asks", "It is in [0, 1].", "About 6 images are flagged.",
    "some of the images", "some 3D models", "If all were clean, 6 would be expected.", "Were all images clean?", "The images were all clean.",
    "one worker per CPU", "one number a trigger needs", "one per image", "64 forward passes per input", "how many forwards an image took", "run the same command again", "all but one", "relies on", "layer",
    "recommend", "underlying", "straying".replace("ing", "line"),
)  # fmt: skip


@pytest.mark.parametrize("suffix", [".md", ".py", ".j2"])
@pytest.mark.parametrize("text", BAD)
def test_what_is_to_be_avoided_is_found_in_its_line(text, suffix, tmp_path) -> None:
    found = check(written(tmp_path, suffix, text))
    assert found, text
    assert {each.line for each in found} == {3}
    assert all(each.better for each in found)


@pytest.mark.parametrize("suffix", [".md", ".py", ".j2"])
@pytest.mark.parametrize("text", GOOD)
def test_plain_words_pass(text, suffix, tmp_path) -> None:
    assert check(written(tmp_path, suffix, text)) == []


def written(folder: Path, suffix: str, text: str) -> Path:
    """A file of the kind whose third line has the text."""
    before, after = {".md": ("# Page\n\n", "\n"), ".py": ('"""Doc.\n\n', '\n"""\n'), ".j2": ("<p>\n\n", "</p>\n")}[
        suffix
    ]
    path = folder / f"x{suffix}"
    path.write_text(f"{before}{text}{after}", encoding="utf-8")
    return path


def test_code_links_and_comments_are_left_alone(tmp_path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```sh\nmend it\n```\n`anew` [x](lie.md) https://x.org/lie <!-- mend -->\nto lie <!-- words: ok -->\n"
    )
    assert check(page) == []
    code = tmp_path / "code.py"
    code.write_text(
        'mend = 1  # mend it anew\nx = "mend"\ny = "to lie here"  # words: ok\n"""Say ``mend it`` or `lie`."""\n'
    )
    assert check(code) == []
    template = tmp_path / "page.j2"
    template.write_text("{% set lie = 1 %}{{ lie or anew }}<b class='lie'>x</b><script>lie and lie</script>{# mend #}")
    assert check(template) == []


def test_the_parts_of_a_sentence_with_values_in_it_are_read_together(tmp_path) -> None:
    code = tmp_path / "code.py"
    code.write_text('def f(n):\n    return (\n        f"{n} labels; one "\n        f"an image is {n}"\n    )\n')
    assert [each.said for each in check(code)] == ["one an image"]


def test_the_command_names_file_line_and_what_to_write(tmp_path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Page\n\nSome 6 images.\n")
    run = subprocess.run(
        [sys.executable, ROOT / "tools/check-words", page], capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert run.stdout == f'{page}:3: "Some 6"; write: about\n'
    page.write_text("# Page\n\nAbout 6 images.\n")
    run = subprocess.run(
        [sys.executable, ROOT / "tools/check-words", page], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout) == (0, "")


def test_everything_that_a_reader_meets_is_read() -> None:
    found = {path.relative_to(ROOT).as_posix() for path in checking.files(ROOT)}
    assert {"README.md", "CHANGELOG.md", "docs/index.md", "src/doldrum/cli/app.py"} <= found
    assert any(name.endswith(".html.j2") for name in found)
    assert len(RULES) > 20


def test_the_examples_of_the_tool_run() -> None:
    assert doctest.testmod(checking).failed == 0


PAGE = """# A heading of at least five words here

One sentence that `has code` in it. Another one, with [a link](to.md) in it
that goes on. Too short.

- An item of a list with words

```sh
a command of more than five words is left out
```

| a | table of more than five words |
"""
CODE = '''"""A docstring with more words than five.

>>> doctest.of(more, words, than, five)
an answer of more words than five

Parameters
----------
name
    What this parameter of the function says.
other
    What this other parameter of it says.
"""
raise ValueError(f"expected a number of words, got {count} of them")
'''


def test_sentences_are_those_of_paragraphs_lists_and_messages(tmp_path) -> None:
    (tmp_path / "page.md").write_text(PAGE)
    (tmp_path / "code.py").write_text(CODE)
    assert [(each.line, each.said) for each in sentences(tmp_path / "page.md")] == [
        (3, "One sentence that `has code` in it."),
        (3, "Another one, with a link in it that goes on."),
        (6, "An item of a list with words"),
    ]
    assert [(each.line, each.said) for each in sentences(tmp_path / "code.py")] == [
        (1, "A docstring with more words than five."),
        (9, "What this parameter of the function says."),
        (11, "What this other parameter of it says."),
        (13, "expected a number of words, got … of them"),
    ]


def test_a_draw_has_as_many_sentences_as_asked_and_the_same_for_a_seed(tmp_path) -> None:
    (tmp_path / "page.md").write_text("\n\n".join(f"This is sentence {number} of the page." for number in range(100)))
    paths = [tmp_path / "page.md"]
    assert len({each.said for each in draw(paths, 50, 1)}) == 50
    assert draw(paths, 50, 1) == draw(paths, 50, 1) != draw(paths, 50, 2)
    assert len(draw(paths, 1000, 1)) == 100
