"""Tab: the shell asks the command itself, which answers with commands and options."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("doldrum insp", {"inspect"}),
        ("doldrum inspect model.onnx --sar", {"--sarif"}),
        ("doldrum a", {"attacks", "audit"}),
    ],
)
def test_bash_gets_what_fits(words: str, wanted: set[str], call, monkeypatch) -> None:
    monkeypatch.setenv("_DOLDRUM_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
    code, out, _ = call()
    assert code == 0
    assert set(out.split()) == wanted


def test_the_script_for_a_shell_is_printed(call, monkeypatch) -> None:
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    code, out, _ = call("--show-completion", "bash")
    assert code == 0
    assert "_DOLDRUM_COMPLETE=complete_bash" in out
