"""Every form of ONNX gives the labels that ONNX Runtime gives when it is called directly, and says what was assumed."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hostile_models import plain_onnx
from model_forms import Form, onnx_forms, pictures

import doldrum as dd
from doldrum.engines.choose import build_engine
from doldrum.errors import ClassifierError, DoldrumError, InputError
from doldrum.suspects import Preprocessing, Suspect, open_model

FORMS = onnx_forms()
_SPARE = {"output", "outputs", "num_classes"}


def opened(path, form: Form, **more) -> Suspect:
    settings = dict(form.settings)
    told = {name: settings.pop(name) for name in _SPARE & set(settings)}
    return open_model(path, preprocessing=Preprocessing(**settings) if settings else None, **told, **more)


def direct(path, form: Form, images: np.ndarray) -> np.ndarray:
    """Labels by ONNX Runtime, fed as the form's author would."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(str(path), options)
    step, given = form.batch or len(images), form.feed(images)
    parts = [given[k : k + step] for k in range(0, len(given), step)]
    parts[-1] = np.concatenate([parts[-1], parts[-1][: step - len(parts[-1])]])
    return np.concatenate([form.labels(session.run([form.output], {"x": part})[0]) for part in parts])[: len(images)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("forms")
    for name, form in FORMS.items():
        onnx.save(form.model, made / f"{name}.onnx")
    return made


def labels(scores: np.ndarray) -> np.ndarray:
    return scores if scores.ndim == 1 else scores.argmax(1)


@pytest.mark.parametrize("name", FORMS)
def test_labels_are_those_of_onnx_runtime_called_directly(folder, name):
    form, images = FORMS[name], pictures(500)
    suspect = opened(folder / f"{name}.onnx", form)
    grey = "grey" in name
    x = (images[:, :1] if grey else images) / np.float32(255)
    got = labels(suspect.classifier(x.astype(np.float32)))
    expected = direct(folder / f"{name}.onnx", form, images)
    assert np.array_equal(got, expected)
    assert len(np.unique(expected)) > 1  # labels that could differ
    for words in form.notes:
        assert any(words in note for note in suspect.notes), suspect.notes
    assert bool(suspect.classifier.notes) == form.feed(images[:1]).dtype.name.startswith(("int", "uint"))


@pytest.mark.parametrize(
    "name",
    [
        "uint8", "uint8 opset 7", "uint8 nhwc", "int8", "int64", "uint8 grey without channels", "flat", "caffe", "fp16", "double",
        "named scores", "argmax column", "argmax float", "sigmoid row", "one logit", "1x1 scores", "byte scores", "zipmap",
    ],
)  # fmt: skip
def test_engines_give_the_same_labels_of_noisy_images(folder, name):
    form = FORMS[name]
    classifier = opened(folder / f"{name}.onnx", form).classifier
    rng = np.random.default_rng(3)
    x = pictures(96)[:, : classifier.input_shape[0]] / np.float32(255)
    x = (x + 0.2 * rng.standard_normal(x.shape)).astype(np.float32)
    own = classifier(x)
    for engine in ("onnxruntime", "openvino"):
        got = build_engine(classifier, engine, "fp32", 32)(x)
        # sums are taken in another order: a pixel in some thousand may round to the byte beside it
        assert (labels(got) == labels(own)).mean() >= (0.97 if "fp16" in name or "byte" in name else 0.99), engine
        assert got.shape == own.shape


def test_whole_numbers_are_rounded_and_cut_and_the_record_says_so(folder):
    suspect = opened(folder / "uint8.onnx", FORMS["uint8"])
    plain = opened(folder / "plain.onnx", FORMS["plain"]).classifier
    x = (pictures(50) / 255 + np.random.default_rng(0).normal(0, 0.3, (50, 3, 16, 16))).astype(np.float32)
    as_bytes = np.clip(np.floor(255 * x + np.float32(0.5)), 0, 255) / np.float32(255)
    np.testing.assert_allclose(suspect.classifier(x), plain(as_bytes.astype(np.float32)), atol=1e-4)
    assert suspect.preprocessing.scale == 255
    r = dd.measure(suspect.classifier, as_bytes[:2], dd.probes.Gaussian([0.1], draws=20), engine="eager")
    assert any("rounded and clipped" in note for note in r.info["notes"])
    r = dd.measure(plain, as_bytes[:2], dd.probes.Gaussian([0.1], draws=20), engine="eager")
    assert not r.info["notes"]


def test_an_integer_model_can_be_normalised(tmp_path):
    """int8 with another zero point: what mean and std give is rounded again."""
    form = FORMS["int8"]
    onnx.save(form.model, tmp_path / "m.onnx")
    usual = open_model(tmp_path / "m.onnx")
    assert (usual.preprocessing.scale, usual.preprocessing.mean) == (255, (128,))
    told = open_model(tmp_path / "m.onnx", preprocessing=Preprocessing(size=16, scale=127))
    x = pictures(20) / np.float32(255)
    session = ort.InferenceSession(str(tmp_path / "m.onnx"))
    expected = session.run(None, {"x": np.rint(x * 127).astype(np.int8)})[0]
    np.testing.assert_allclose(told.classifier(x.astype(np.float32)), expected, atol=1e-4)


def test_class_names_of_a_zipmap_are_read(folder):
    suspect = opened(folder / "zipmap.onnx", FORMS["zipmap"])
    assert suspect.class_names == ("0", "1", "b", *(f"class {i}" for i in range(7)))
    assert any("label" in note and "y (N, 10) was used" in note for note in suspect.notes)


def test_one_number_an_image_is_what_is_said_of_it(folder):
    x = pictures(40) / np.float32(255)
    raw = ort.InferenceSession(str(folder / "one logit.onnx")).run(None, {"x": x})[0]
    logit = open_model(folder / "one logit.onnx").classifier
    np.testing.assert_allclose(logit(x), np.concatenate([np.zeros_like(raw), raw], 1), atol=1e-5)
    p = open_model(folder / "sigmoid.onnx").classifier
    sigmoid = 1 / (1 + np.exp(-raw))
    np.testing.assert_allclose(p(x), np.concatenate([1 - sigmoid, sigmoid], 1), atol=1e-5)
    assert (p.outputs, logit.outputs, p.num_classes) == ("probabilities", "logits", 2)
    said = open_model(folder / "one logit.onnx", outputs="probabilities")
    assert any("as outputs= says" in note for note in said.notes)


def test_labels_need_the_number_of_classes_only_where_no_argmax_shows_it(tmp_path):
    made = FORMS["argmax"].model
    model = onnx.ModelProto.FromString(made.SerializeToString())
    model.graph.node.insert(len(model.graph.node), onnx.helper.make_node("Abs", ["y"], ["z"]))
    model.graph.output[0].name = "z"
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(InputError, match="num_classes"):
        open_model(tmp_path / "m.onnx")
    assert open_model(tmp_path / "m.onnx", num_classes=12).classifier.num_classes == 12


def test_an_absent_output_is_named_with_those_there_are(folder):
    with pytest.raises(
        InputError, match=r"an output of .* \(its outputs are a \(N, 10\), y \(N, 10\)\), got 'z'; name one"
    ):
        open_model(folder / "softmax and logits.onnx", output="z")


def external(folder, **changes):
    """A model whose weights lie in files beside it; `changes` are for the first tensor's entries."""
    model = onnx.ModelProto.FromString(FORMS["plain"].model.SerializeToString())
    onnx.save(model, folder / "m.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    model = onnx.load(folder / "m.onnx", load_external_data=False)
    tensor = model.graph.initializer[0]
    entries = {e.key: e.value for e in tensor.external_data} | {k: v for k, v in changes.items() if k != "dims"}
    if "dims" in changes:
        tensor.dims[:] = changes["dims"]
    del tensor.external_data[:]
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)
    onnx.save(model, folder / "m.onnx")
    return folder / "m.onnx"


def test_weights_in_files_beside_the_model_are_read(tmp_path, folder):
    x = (pictures(500) / 255).astype(np.float32)
    path = external(tmp_path)
    got = open_model(path).classifier
    expected = ort.InferenceSession(str(path)).run(None, {"x": x})[0]
    assert np.array_equal(got(x).argmax(1), expected.argmax(1))
    plain = open_model(folder / "plain.onnx").classifier(x)
    np.testing.assert_allclose(got(x), plain, atol=1e-5)
    (tmp_path / "w.bin").unlink()  # nothing is read a second time
    np.testing.assert_allclose(got(x), plain, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"location": "../w.bin"}, "only files in the model's own folder"),
        ({"location": "/etc/passwd"}, "only files in the model's own folder"),
        ({"location": "a/w.bin"}, "only files in the model's own folder"),
        ({"location": ""}, "only files in the model's own folder"),
        ({"location": "absent\x1b[31m.bin"}, r"absent\x1b[31m.bin' beside it, got no readable file"),
        ({"location": "link.bin"}, "a link, which is not followed"),
        ({"location": "pipe.bin"}, "no regular file"),
        ({"location": "."}, "only files in the model's own folder"),
        ({"offset": "99999999"}, "this file is cut off"),
        ({"offset": "-4"}, "an offset or length that is not a number"),
        ({"length": "4"}, "has 4 bytes in another file"),
        ({"length": "9" * 30}, "an offset or length that is not a number"),
        ({"dims": [1 << 20, 1 << 20]}, "no weight has such a type or shape"),
        ({"dims": [1 << 29], "length": str(1 << 31)}, "at most 2 GiB"),
        ({"basepath": "/"}, "an impossible description of its place"),
    ],
)
def test_weights_elsewhere_are_refused(tmp_path, changes, words):
    import os

    path = external(tmp_path, **changes)
    (tmp_path / "link.bin").symlink_to(tmp_path / "w.bin")
    os.mkfifo(tmp_path / "pipe.bin")
    with pytest.raises(InputError) as error:
        open_model(path)
    assert words in str(error.value)
    assert str(error.value).startswith("expected ")
    assert str(error.value).isprintable()


def test_weights_that_are_cut_off_are_refused(tmp_path):
    path = external(tmp_path)
    data = (tmp_path / "w.bin").read_bytes()
    (tmp_path / "w.bin").write_bytes(data[:-100])
    with pytest.raises(InputError, match="this file is cut off: fetch it again"):
        open_model(path)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ([3, 16, 16], "without a batch axis"),
        (["n", 3, 16, 16, 1], r"an input of images \(N, C, H, W\)"),
        (["n", 770], "which leaves them open"),
        (["n", 5, 16, 16], "which leaves them open"),
    ],
)
def test_inputs_that_are_no_images_are_named(tmp_path, shape, words):
    model = onnx.ModelProto.FromString(FORMS["plain"].model.SerializeToString())
    model.graph.input[0].CopyFrom(onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape))
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(DoldrumError, match=words):
        open_model(tmp_path / "m.onnx")


def test_a_model_of_floats_that_is_said_to_be_another_is_refused(tmp_path):
    """A declared type that the graph contradicts is the runtime's to find, as one line."""
    model = onnx.ModelProto.FromString(FORMS["plain"].model.SerializeToString())
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.UINT8
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises((InputError, ClassifierError)) as error:
        open_model(tmp_path / "m.onnx")
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 1200


def _open_sizes(tmp_path, shape):
    model = onnx.ModelProto.FromString(FORMS["plain"].model.SerializeToString())
    model.graph.input[0].CopyFrom(onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape))
    onnx.save(model, tmp_path / "m.onnx")
    return tmp_path / "m.onnx"


@pytest.mark.parametrize(
    ("shape", "given", "words"),
    [
        (["n", 3, 16, 16], {"size": 99}, r"images of shape \(3, 16, 16\), .*; leave size= out$"),
        (["n", 3, 16, 16], {"size": 16, "channels": "grey"}, r"; pass channels='rgb' or channels='bgr'$"),
        (["n", 1, "h", "w"], {"size": 16}, r"images of shape \(1, \?, \?\), .*; pass channels='grey'$"),
        (["n", 1, 16, 16], {"size": 99}, r"; pass channels='grey' and leave size= out$"),
        (["n", 3, 16, "w"], {"size": 99}, r"; pass a size= that fits, such as size=\(16, 99\)$"),
        (["n", 5, "h", "w"], {"size": 16}, "it is not an image model"),
    ],
)
def test_a_size_that_does_not_fit_is_answered_with_one_that_does(tmp_path, shape, given, words):
    with pytest.raises(InputError, match=words):
        open_model(_open_sizes(tmp_path, shape), preprocessing=Preprocessing(**given))


def test_a_byte_that_was_changed_is_one_clear_line_or_does_no_harm(tmp_path):
    """Every byte outside the weights, with its highest bit turned: names are no UTF-8 then."""
    model = plain_onnx()
    model.metadata_props.add(key="names", value="['a', 'b', 'c', 'd']")
    whole, weights = model.SerializeToString(), model.graph.initializer[0].raw_data
    start, path, wrong, refused = whole.index(weights), tmp_path / "m.onnx", [], 0
    for place in [p for p in range(len(whole)) if not start <= p < start + len(weights)]:
        data = bytearray(whole)
        data[place] ^= 0x80
        path.write_bytes(data)
        try:
            open_model(path)
        except DoldrumError as error:
            refused += 1
            if not str(error).startswith("expected ") or "codec" in str(error):
                wrong.append(f"{place}: {error}")
        except Exception as error:
            wrong.append(f"{place}: {type(error).__name__} {error}")
    assert not wrong, "\n".join(wrong)
    assert refused > 50
