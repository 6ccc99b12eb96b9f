"""The wheel and the sdist as users get them: what they hold, and what the wheel does in an environment without extras."""

from __future__ import annotations

import email
import json
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from safetensors.torch import save_file
from scipy import stats

import doldrum as dd
from doldrum.cli.app import app
from doldrum.engines import ENGINES
from doldrum.lazy import EXTRAS

HERE = Path(__file__).parent
TREE = HERE.parents[1]
PACKAGE = TREE / "src" / "doldrum"
READ_FIRST = {"README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "SECURITY.md"}
LIBRARY_OF = {"openvino": "openvino", "onnxruntime": "onnx", "compile": "torch"}
NEEDS = re.compile(r"expected the library '[\w.-]+', got none; run: pip install 'doldrum\[(\w+)\]'\n?")


def package_files() -> set[str]:
    found = (path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(PACKAGE.parent).as_posix() for path in found}


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """A linear model in the formats that users bring, and images."""
    folder = tmp_path_factory.mktemp("files")
    weights = {"1.weight": torch.eye(4), "1.bias": torch.zeros(4)}
    save_file(weights, folder / "lin.safetensors")
    torch.save(weights, folder / "lin.pt")
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["x"], ["y"])], "lin",
        [value("x", TensorProto.FLOAT, ["n", 1, 2, 2])], [value("y", TensorProto.FLOAT, ["n", 4])],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), folder / "lin.onnx")
    with zipfile.ZipFile(folder / "lin.skops", "w") as skops:
        skops.writestr("schema.json", '{"__class__": "LogisticRegression"}')
    (folder / "hugging").mkdir()
    (folder / "hugging" / "config.json").write_text(
        '{"model_type": "vit", "architectures": ["ViTForImageClassification"]}'
    )
    shutil.copy(folder / "lin.safetensors", folder / "hugging" / "model.safetensors")
    rng = np.random.default_rng(0)
    np.savez(folder / "set.npz", images=rng.integers(0, 256, (60, 1, 16, 16), dtype=np.uint8), labels=np.arange(60) % 4)
    return folder


@pytest.fixture
def inside(bare, tmp_path):
    """Run a program of the bare environment, as a user would: nothing of this process's environment, and a new home."""
    env = {
        "PATH": f"{bare}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "COLUMNS": "200",
        "OMP_NUM_THREADS": "1",
    }

    def run(program: str, *words: object) -> subprocess.CompletedProcess[str]:
        command = [str(bare / program), *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path, env=env)

    return run


def test_the_wheel_holds_the_package_and_nothing_else(built) -> None:
    with zipfile.ZipFile(built[0]) as wheel:
        names = set(wheel.namelist())
        metadata = wheel.read(f"doldrum-{dd.__version__}.dist-info/METADATA").decode()
    info = {name for name in names if name.startswith(f"doldrum-{dd.__version__}.dist-info/")}
    assert names - info == package_files()
    assert {
        "doldrum/py.typed",
        "doldrum/report/audit/templates/audit.html.j2",
        "doldrum/report/templates/style.css",
    } <= names
    assert {Path(name).name for name in info} == {"METADATA", "WHEEL", "RECORD", "LICENSE", "entry_points.txt"}
    assert "\nLicense-Expression: MIT\n" in metadata
    assert (TREE / "README.md").read_text().splitlines()[0] in metadata
    assert built[0].stat().st_size < 2_000_000


def test_the_sdist_is_what_it_takes_to_build_the_same_wheel(built, tmp_path) -> None:
    with tarfile.open(built[1]) as sdist:
        top = f"doldrum-{dd.__version__}"
        names = {str(Path(member.name).relative_to(top)) for member in sdist.getmembers() if member.isfile()}
        sdist.extractall(tmp_path, filter="data")
    assert names == {f"src/{name}" for name in package_files()} | READ_FIRST | {
        "pyproject.toml",
        "hatch_build.py",
        "PKG-INFO",
        ".gitignore",
    }
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path]
    subprocess.run(build, cwd=tmp_path / top, check=True, capture_output=True, timeout=120)
    assert (tmp_path / built[0].name).read_bytes() == built[0].read_bytes()


def test_on_a_package_index_no_link_or_picture_leads_nowhere(built) -> None:
    with zipfile.ZipFile(built[0]) as wheel:
        metadata = email.message_from_bytes(wheel.read(f"doldrum-{dd.__version__}.dist-info/METADATA"))
    shown = metadata.get_payload(decode=True).decode()
    readme = (TREE / "README.md").read_text(encoding="utf-8")
    assert metadata["Description-Content-Type"] == "text/markdown"
    inward = r"\]\((?!https?:)"
    assert re.search(inward, readme)
    assert not re.search(inward, shown)
    words = [set(re.sub(r"!?\[|\]\([^)]*\)", "", text).split("\n")) for text in (readme, shown)]
    assert [line.partition(".")[0] for line in words[0] - words[1]] == ["Mean W against noise strength"]  # the picture
    for url in metadata.get_all("Project-URL"):
        assert re.fullmatch(r"\w+, https://(?!example)\S+", url)


def test_the_version_is_said_alike_everywhere() -> None:
    assert f"\nversion: {dd.__version__}\n" in (TREE / "CITATION.cff").read_text(encoding="utf-8")
    newest = re.findall(r"^## \[(\d\S*)\]", (TREE / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)[0]
    assert newest == dd.__version__


def test_the_first_commands_of_a_new_user(inside) -> None:
    version = inside("doldrum", "--version")
    assert (version.returncode, version.stdout, version.stderr) == (0, f"doldrum {dd.__version__}\n", "")
    doctor = inside("doldrum", "doctor")
    assert (doctor.returncode, doctor.stderr) == (0, "")
    for extra in set(EXTRAS.values()):
        assert f"missing; run: pip install 'doldrum[{extra}]'" in doctor.stdout
    assert "expected the library" not in doctor.stdout


def test_every_command_explains_itself_and_one_that_needs_an_extra_says_which_in_one_line(
    inside, files, tmp_path
) -> None:
    pixels, onnx_file, weights = files / "set.npz", files / "lin.onnx", files / "lin.safetensors"
    out, npz = ["--out", str(tmp_path / "out")], ["--out", str(tmp_path / "out.npz")]
    needs = {
        "torch": [
            ["demo", *out], ["train", pixels, *out], ["poison", pixels, "--attack", "issba", *npz],
            ["measure", weights, pixels, *out], ["calibrate", weights, pixels, *out], ["evaluate", weights, pixels],
            ["study", "smoothing", *out],
        ],
        "onnx": [
            ["measure", onnx_file, pixels, *out], ["calibrate", onnx_file, pixels, *out],
            ["audit", onnx_file, "--images", pixels, *out],
        ],
        "sklearn": [["poison", "digits:train", "--attack", "badnets", *npz]],
        "serve": [["serve", onnx_file, "--detector", tmp_path / "none"]],
    }  # fmt: skip
    names = ["", *(command.name for command in app.registered_commands)]
    lines = [[name, "--help"][not name :] for name in names]
    lines += [list(map(str, words)) for extra in needs for words in needs[extra]]
    done = inside("python", HERE / "bare_commands.py", json.dumps(lines))
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    for name, (code, said, complaint) in zip(names, results, strict=False):
        assert (code, complaint) == (0, ""), name
        assert f"Usage: doldrum {name or '[OPTIONS]'}" in said
    wanted = [extra for extra in needs for _ in needs[extra]]
    for extra, words, (code, _, complaint) in zip(wanted, lines[len(names) :], results[len(names) :], strict=True):
        said = NEEDS.fullmatch(complaint.removeprefix("doldrum: "))
        assert said is not None, (words, code, complaint)
        assert (code, said[1]) == (2, extra), words


def test_commands_that_need_no_extra_do_their_work(inside, files, tmp_path) -> None:
    """A study's page from its records, a poisoned set, and the lists."""
    records = tmp_path / "cleansing"
    shutil.copytree(
        TREE / "docs" / "results" / "cleansing", records, ignore=shutil.ignore_patterns("report.html", "[ft]*")
    )
    poisoned = tmp_path / "bad.npz"
    lines = [
        ["report", str(records)], ["poison", str(files / "set.npz"), "--attack", "badnets", "--rate", "0.1", "--out", str(poisoned)],
        ["attacks", "--json"], ["datasets", "--json"], ["study"],
    ]  # fmt: skip
    done = inside("python", HERE / "bare_commands.py", json.dumps(lines))
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert [code for code, _, _ in results] == [0] * len(lines), results
    page = (records / "report.html").read_text()
    assert page.count("<img") + page.count("<svg") > 0
    assert [attack["id"] for attack in json.loads(results[2][1])] == list(dd.attacks.ATTACKS)
    assert dd.read_images(poisoned).images.labels is not None
    with np.load(poisoned) as held:
        assert held["poisoned"].sum() == 6


def test_every_public_name_works_or_says_which_extra_it_needs(inside) -> None:
    done = inside("python", HERE / "bare_names.py")
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    documented = {
        name
        for page in (TREE / "docs" / "reference").glob("*.md")
        for name in re.findall("^::: (.*)", page.read_text(), re.M)
    }
    for name, said in found.items():
        if not said or NEEDS.fullmatch(said.removeprefix("MissingExtraError: ")):
            continue
        # A file of a package's own may need a library at its top; who uses it by the package's names is told.
        assert re.fullmatch(f"ModuleNotFoundError: No module named '({'|'.join(EXTRAS)})'", said), (name, said)
        assert ":" not in name, name
        assert name not in documented, name
        assert name.count(".") > 1, name
        assert not (PACKAGE.parent / name.replace(".", "/") / "__init__.py").exists(), name
    assert {name for name in dd.__all__ if found[f"doldrum:{name}"]} == {
        "inspect",
        "repair",
        "train",
        "load_checkpoint",
    }


def test_calls_work_or_say_which_extra_they_need(inside, files) -> None:
    done = inside("python", HERE / "bare_calls.py", files)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    said: dict[str, str] = found["said"]
    # Nothing of an extra is there: what follows is what a user without them sees.
    assert all(said.pop(f"import {name}").startswith("ModuleNotFoundError") for name in EXTRAS)
    needed = {name: extra[1] for name, text in said.items() if (extra := NEEDS.search(text))}
    assert needed == {
        **{
            f"{kind} {attack}": "torch" for kind in ("attack", "check")
            for attack in ("label-consistent", "trojannn", "issba", "input-aware", "noise-hardened", "profile-evading")
        },
        **{f"engine {name}": LIBRARY_OF[name.partition("-")[0]] for name in ENGINES if name not in ("auto", "eager")},
        "model lin.onnx": "onnx", "model lin.safetensors": "torch", "model lin.pt": "torch", "model lin.skops": "skops",
        "model hugging": "torch", "an .onnx file": "onnx", "a checkpoint": "torch", "digits": "sklearn",
        "scikit-learn's names": "sklearn", "ART's names": "art", "run_attack": "torch",
    }  # fmt: skip
    for name, text in said.items():
        if name not in needed and text:  # an argument that doesn't fit here, said as it is with every extra
            assert re.match(r"(InputError|ClassifierError): expected .*, got .*; ", text), (name, text)
    assert "expected a torch module" in said["probe of a model"]
    for name in ("evaluate", "engine eager", "detector w", "detector max-softmax", "attack badnets"):
        assert said[name] == "", said[name]

    draws = np.array(
        found["draws"]
    )  # (strengths, draws) of the image (.55, .45): the label is 1 where noise turns them
    for row, sigma in zip(draws, (0.1, 0.3), strict=True):
        turned = stats.norm.cdf(-0.1 / (sigma * np.sqrt(2)))
        assert abs((row == 1).mean() - turned) < 4 * np.sqrt(turned * (1 - turned) / row.size)
    function = dd.as_classifier(lambda x: x.reshape(len(x), -1), input_shape=(1, 1, 2), num_classes=2)
    image = np.array([[[[0.55, 0.45]]]], dtype=np.float32)
    here = dd.measure(function, image, dd.probes.Gaussian([0.1, 0.3], draws=2000, seed=0))
    assert np.array_equal(here.draws[0], draws)


def test_doctor_knows_every_extra_that_brings_a_library() -> None:
    import tomllib

    extras = tomllib.loads((TREE / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    bundles = {"all", "bench", "dev", "docs"}
    never_imported = {"huggingface"}
    assert set(EXTRAS.values()) == set(extras) - bundles - never_imported


def test_a_library_that_a_command_misses_is_named_whatever_the_command(call, monkeypatch) -> None:
    """Not every command checks for itself: what it imports without asking is said as well."""

    def examine() -> None:
        raise ModuleNotFoundError("No module named 'timm.layers'", name="timm.layers")

    monkeypatch.setattr("doldrum.cli.commands.doctor.examine", examine)
    code, _, said = call("doctor")
    assert (code, said) == (2, "doldrum: expected the library 'timm', got none; run: pip install 'doldrum[timm]'\n")
