"""Errors at the command line name flags: every error that the package can raise, read as `doldrum` shows it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import typer

import doldrum
from doldrum import errors
from doldrum.cli.app import app
from doldrum.flags import flags_of, in_flags

ERRORS = {name for name in dir(errors) if name.endswith("Error")}
ROOT = Path(doldrum.__file__).parent
# Arguments of functions and objects that no command makes: what Python alone can be given.
PYTHON_ONLY = {
    "attacks/registry.py": {"settings"},
    "classifiers/adapters/art_layout.py": {"clip_values"},
    "data/readers/huggingface.py": {"image_column", "label_column", "decode"},
    "data/readers/values.py": {"image_column"},
    "detectors/profile/profile.py": {"overlays"},
    "measuring/readouts.py": {"readouts"},
    "measuring/until.py": {"of"},
    "probes/__init__.py": {"overlays"},
    "probes/dropout.py": {"where"},
    "stats/correlation.py": {"kind"},
    "suspects/endpoint.py": {"body"},  # opening.endpoint.endpoint_of names it by its setting, endpoint_body=
}


# Files whose errors name an argument without "=": what no command makes, or a field of a file.
BARE = {
    "adapters/art.py", "detectors/deploy/estimator.py", "classifiers/adapters/art_layout.py", "classifiers/adapters/pipeline.py", "classifiers/adapters/sklearn.py",
    "responses.py", "stats/means.py", "training/checkpoint.py", "suspects/weights.py",
}  # fmt: skip


def raised_texts():
    """(file, line, text) of every error of doldrum's: its constant words, with … for what is filled in."""
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ERRORS:
                parts = [
                    "".join(v.value if isinstance(v, ast.Constant) else "…" for v in one.values)
                    if isinstance(one, ast.JoinedStr)
                    else one.value
                    for one in ast.walk(node)
                    if isinstance(one, ast.JoinedStr) or (isinstance(one, ast.Constant) and isinstance(one.value, str))
                ]
                yield path.relative_to(ROOT), node.lineno, " ".join(parts)


def test_no_error_names_a_python_argument_at_the_command_line():
    flags, texts = flags_of(typer.main.get_command(app)), list(raised_texts())
    assert len(texts) > 400
    odd = []
    for path, line, text in texts:
        names = re.findall(r"(?<![\w-])(?<!--set )([a-z_]+)=(?!=)", in_flags(text, flags))
        odd += [f"{path}:{line}: {name}=" for name in names if name not in PYTHON_ONLY.get(path.as_posix(), ())]
    assert not odd, "\n".join(odd)


def test_no_error_names_an_argument_that_in_flags_cannot_find():
    """Without its "=", an argument such as num_classes would be shown as Python calls it."""
    flags = {name for name in flags_of(typer.main.get_command(app)) | {"input_shape", "preprocessing"} if "_" in name}
    bare = re.compile(rf"(?<![\w.-])({'|'.join(sorted(flags))})(?![\w=])")
    odd = {path.as_posix(): f"{path}:{line}: {text}" for path, line, text in raised_texts() if bare.search(text)}
    assert not [told for path, told in odd.items() if path not in BARE], "\n".join(odd.values())
    assert odd.keys() >= BARE, "an exception that is none any more"


def test_the_exceptions_are_still_there():
    found = {}
    for path, _, text in raised_texts():
        found.setdefault(path.as_posix(), set()).update(re.findall(r"([a-z_]+)=", text))
    assert not {(file, name) for file, names in PYTHON_ONLY.items() for name in names - found.get(file, set())}


def test_what_python_calls_by_name_becomes_a_flag_and_nothing_else_changes():
    flags = flags_of(typer.main.get_command(app))
    assert {"num_classes", "trust_pickle", "until_decided", "fpr"} <= flags
    assert in_flags("expected num_classes= for labels; pass num_classes=10", flags) == (
        "expected --num-classes for labels; pass --num-classes 10"
    )
    assert in_flags("pass trust_pickle=True or outputs='labels'", flags) == "pass --trust-pickle or --outputs labels"
    assert in_flags("pass output= to choose another", flags) == "pass --output-name to choose another"
    assert in_flags("mean=(0.5, 0.4, 0.3), size=(8, 9)", flags) == "--mean 0.5,0.4,0.3, --size 8x9"
    for text in ("http://host/a?size=1&mean=2", "x == y", "--set NAME=VALUE", "--set size=5", "a b=png c", "size == 3"):
        assert in_flags(text, flags) == text


def test_what_the_user_typed_and_the_options_of_data_sets_stay_as_they_are():
    flags = flags_of(typer.main.get_command(app))
    for text in (
        "from 32 to 224, got '225'; e.g. textures,size=32",
        "got 'textures;size=64'; see doldrum datasets",
        "(all images of textures,classes=5,size=64,crops=30)",
        "textures:test,size=64", 'got "it\'s size=5"; pick one', "got a;limit=5", "expected x, got 'fpr=.5, seed=3'",
    ):  # fmt: skip
        assert in_flags(text, flags) == text
    assert (
        in_flags("got 'size=3'; pass fpr=.1, outputs='labels'", flags)
        == "got 'size=3'; pass --fpr .1, --outputs labels"
    )
    typed = ["train", "my size=5.png", "--out=seed=4"]
    text = "got my size=5.png and seed=4; pass seed=3"
    assert in_flags(text, flags, typed=typed) == "got my size=5.png and seed=4; pass --seed 3"


def test_the_command_line_keeps_the_options_of_data_sets(call, tmp_path):
    code, _, said = call("datasets", "--show", "textures,size=225", "--out", tmp_path / "size=3.png")
    assert code == 2
    assert "e.g. textures,size=32" in said
    code, _, said = call("datasets", "--show", "textures", "--out", tmp_path / "size=3.pdf")
    assert code == 2
    assert f"got {tmp_path / 'size=3.pdf'}" in said


def test_the_command_line_says_it_in_flags(call, tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"")
    code, _, said = call("measure", tmp_path / "m.onnx", tmp_path, "--scale", "-1", "--out", tmp_path / "out")
    assert code == 2
    assert "expected a positive --scale, got -1.0" in said
