"""Each format gives the classifier that was put into it: scores against the network they were saved from."""

from __future__ import annotations

import json
import math
import sys
import warnings

import numpy as np
import onnx
import pytest
import torch
from hostile_models import plain_onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file
from small_nets import small_net

from doldrum.errors import ClassifierError, InputError, MissingExtraError
from doldrum.networks import build
from doldrum.suspects import Preprocessing, model_kind, open_model
from doldrum.training.checkpoint import save_checkpoint

GREY = Preprocessing(size=8, channels="grey")
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).random((3, *shape), dtype=np.float32)


def scores(module: torch.nn.Module, batch: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return module(torch.from_numpy(batch.copy())).numpy()


def linear(shape: tuple, *, classes: int = 3, channels_last: bool = False, softmax: bool = False, extra: bool = False):
    """An ONNX model on (N, *shape), and the same as a function of its input."""
    weights = np.random.default_rng(1).standard_normal((math.prod(shape), classes)).astype(np.float32)
    nodes = [helper.make_node("Flatten", ["x"], ["flat"], axis=1), helper.make_node("MatMul", ["flat", "w"], ["raw"])]
    nodes.append(helper.make_node("Softmax" if softmax else "Identity", ["raw"], ["scores"]))
    outputs = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", classes])]
    if extra:
        outputs.insert(0, helper.make_tensor_value_info("flat", TensorProto.FLOAT, None))
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *shape])]
    graph = helper.make_graph(nodes, "g", inputs, outputs, [numpy_helper.from_array(weights, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return model, lambda x: x.reshape(len(x), -1) @ weights


def test_onnx_as_it_is(tmp_path):
    model, expected = linear((3, 6, 5))
    onnx.save(model, tmp_path / "model.bin")  # the name says nothing
    suspect = open_model(tmp_path / "model.bin")
    assert (suspect.format, suspect.preprocessing.size, suspect.classifier.outputs) == ("onnx", (6, 5), "logits")
    assert "which pixels the model expects" in suspect.notes[0]
    np.testing.assert_allclose(suspect.classifier(images(3, 6, 5)), expected(images(3, 6, 5)), rtol=1e-4, atol=1e-5)


def test_onnx_with_channels_last_blue_first_and_0_to_255(tmp_path):
    model, expected = linear((6, 5, 3), softmax=True, extra=True)
    onnx.save(model, tmp_path / "model.onnx")
    wanted = Preprocessing(size=(6, 5), mean=[m / 255 for m in (104, 117, 123)], std=1 / 255, channels="bgr")
    suspect = open_model(tmp_path / "model.onnx", preprocessing=wanted)
    batch = images(3, 6, 5)
    inside = batch[:, ::-1].transpose(0, 2, 3, 1) * 255 - np.array([104, 117, 123])
    raw = expected(inside)
    soft = np.exp(raw - raw.max(1, keepdims=True))
    np.testing.assert_allclose(suspect.classifier(batch), soft / soft.sum(1, keepdims=True), rtol=1e-3, atol=1e-4)
    assert suspect.classifier.outputs == "probabilities"


def test_onnx_reads_its_metadata(tmp_path):
    model, expected = linear((3, 4, 4))
    helper.set_model_props(model, {"names": "{0: 'cat', 1: '\x1b[31mdog', 2: 'eel'}", "mean": str(list(MEAN)), "std": json.dumps(STD)})  # fmt: skip
    onnx.save(model, tmp_path / "model.onnx")
    suspect = open_model(tmp_path / "model.onnx")
    assert suspect.class_names == ("cat", r"\x1b[31mdog", "eel")
    assert (suspect.preprocessing.mean, suspect.preprocessing.std) == (MEAN, STD)
    batch = images(3, 4, 4)
    inside = (batch - np.reshape(MEAN, (1, 3, 1, 1))) / np.reshape(STD, (1, 3, 1, 1))
    np.testing.assert_allclose(suspect.classifier(batch), expected(inside), rtol=1e-3, atol=1e-4)


def test_onnx_size_is_asked_for_where_it_is_open_and_held_against_the_file_where_not(tmp_path):
    onnx.save(plain_onnx(shape=("N", 1, "H", "W")), tmp_path / "open.onnx")
    with pytest.raises(InputError, match="pass size="):
        open_model(tmp_path / "open.onnx")
    assert open_model(tmp_path / "open.onnx", preprocessing=GREY).classifier.input_shape == (1, 8, 8)
    onnx.save(plain_onnx(), tmp_path / "fixed.onnx")
    with pytest.raises(InputError, match=r"which .* requires"):
        open_model(tmp_path / "fixed.onnx", preprocessing=Preprocessing(size=16, channels="grey"))


def test_our_own_checkpoint(tmp_path):
    from doldrum.training.checkpoint import save_checkpoint

    net = build("mlp", input_shape=(1, 8, 8), num_classes=4)
    save_checkpoint(tmp_path / "a", net, {"network": "mlp", "input_shape": (1, 8, 8), "num_classes": 4})
    suspect = open_model(tmp_path / "a")
    assert suspect.preprocessing == GREY
    np.testing.assert_allclose(suspect.classifier(images(1, 8, 8)), scores(net, images(1, 8, 8)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("file", ["safetensors", "pt", "old pt"])
def test_weights_with_an_architecture(tmp_path, whole, file):
    net = build("fashion-cnn", input_shape=(3, 16, 16), num_classes=7)
    state = (net if whole else net[1]).state_dict()
    path = tmp_path / "weights"
    if file != "safetensors":  # as a training script with several GPUs would leave it
        saved = {"epoch": 3, "state_dict": {f"module.{k}": v for k, v in state.items()}}
        torch.save(saved, path, _use_new_zipfile_serialization=file == "pt")
    else:
        save_file(state, path)
    wanted = Preprocessing(size=16) if whole else Preprocessing(size=16, mean=MEAN, std=STD)
    suspect = open_model(path, arch="fashion-cnn", preprocessing=wanted)  # 7 classes are told from the shapes
    batch = images(3, 16, 16)
    inside = batch if whole else (batch - np.reshape(MEAN, (1, 3, 1, 1))) / np.reshape(STD, (1, 3, 1, 1))
    expected = scores(net if whole else net[1], inside.astype(np.float32))
    np.testing.assert_allclose(suspect.classifier(batch), expected, rtol=1e-3, atol=1e-4)
    assert suspect.format == ("safetensors" if file == "safetensors" else "state dict")


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.module.", "model.", "net.backbone.", "\x1b[31m."])
def test_a_prefix_that_all_names_share_is_taken_off_and_said(tmp_path, prefix):
    net = build("fashion-cnn", input_shape=(3, 16, 16), num_classes=7)
    state = {prefix + name: tensor for name, tensor in net[1].state_dict().items()}
    lightning = {
        "state_dict": state,
        "epoch": 3,
        "hyper_parameters": {"lr": 0.1},
        "pytorch-lightning_version": "2.4",
        "callbacks": {},
    }
    torch.save(lightning, tmp_path / "last.ckpt")
    save_file(state, tmp_path / "weights")
    batch = images(3, 16, 16)
    for name in ("last.ckpt", "weights"):
        suspect = open_model(tmp_path / name, arch="fashion-cnn", preprocessing=Preprocessing(size=16, scale=2.0))
        np.testing.assert_allclose(suspect.classifier(batch), scores(net[1], 2 * batch), rtol=1e-3, atol=1e-4)
        told = next(note for note in suspect.notes if "which was removed" in note)
        assert told.isprintable()
        assert ("\\x1b[31m." if "\x1b" in prefix else prefix) in told


class Nested(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.model = small_net()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(x)


def test_a_prefix_that_is_the_networks_own_stays(tmp_path):
    torch.save(Nested().state_dict(), tmp_path / "a.pt")
    torch.save({f"module.{k}": v for k, v in Nested().state_dict().items()}, tmp_path / "b.pt")
    told = {"arch": f"{__name__}:Nested", "preprocessing": GREY, "trust_code": True}
    for name, off in (("a.pt", None), ("b.pt", "'module.'")):
        suspect = open_model(tmp_path / name, **told)
        said = [n.split()[7].rstrip(",") for n in suspect.notes if "which was removed" in n]
        assert said == ([] if off is None else [off])
        np.testing.assert_allclose(suspect.classifier(images(1, 8, 8)), scores(small_net(), images(1, 8, 8)), atol=1e-5)
    torch.save({f"a.{k}": v for k, v in small_net(classes=5).state_dict().items() if k != "0.bias"}, tmp_path / "c.pt")
    with pytest.raises(InputError, match=r"lacks '0\.bias' \(1 names differ\)"):  # of the names that fit, not of all
        open_model(tmp_path / "c.pt", arch="small_nets:small_net", preprocessing=GREY, trust_code=True)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("module", ["train_of_somebody", "__main__"])
def test_a_class_that_cannot_be_imported_is_named_with_its_module(tmp_path, monkeypatch, module, zipped):
    """As their training script saved it: the class is in that script, which is not here."""
    import types

    made = types.ModuleType(module) if module != "__main__" else sys.modules["__main__"]
    theirs = type("Net", (Nested,), {"__module__": module})
    monkeypatch.setitem(sys.modules, module, made)
    monkeypatch.setattr(made, "Net", theirs, raising=False)
    net = theirs().eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no source to keep beside it
        torch.save(net, tmp_path / "whole.pt", _use_new_zipfile_serialization=zipped)
    suspect = open_model(tmp_path / "whole.pt", preprocessing=GREY, trust_pickle=True)
    np.testing.assert_allclose(suspect.classifier(images(1, 8, 8)), scores(net, images(1, 8, 8)), atol=1e-5)
    monkeypatch.undo()
    with pytest.raises(
        InputError, match=rf"which needs the class Net of the module {module}; .*save only a state dict and pass arch="
    ):
        open_model(tmp_path / "whole.pt", preprocessing=GREY, trust_pickle=True)
    with pytest.raises(InputError, match=rf"a pickle that calls {module}\.Net in"):
        open_model(tmp_path / "whole.pt", preprocessing=GREY)


def test_an_arch_that_cannot_be_imported_says_where_it_is_looked_for(tmp_path, monkeypatch):
    torch.save(small_net().state_dict(), tmp_path / "w.pt")
    known = {"preprocessing": GREY, "trust_code": True}
    with pytest.raises(InputError, match=r"not in the working folder: put the folder with rude\.py .*on PYTHONPATH"):
        open_model(tmp_path / "w.pt", arch="rude.nets:N", **known)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "rude_one.py").write_text("import no_such_library\n")
    with pytest.raises(InputError, match="install no_such_library, which rude_one imports"):
        open_model(tmp_path / "w.pt", arch="rude_one:N", **known)
    with pytest.raises(InputError, match=r"has no attribute 'N'.*; check the name"):
        open_model(tmp_path / "w.pt", arch="small_nets:N", **known)


def test_what_the_users_own_code_raises_names_it_and_its_place(tmp_path, monkeypatch):
    torch.save(small_net().state_dict(), tmp_path / "w.pt")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "rude_two.py").write_text("def bad():\n    raise RuntimeError('boom')\n")
    (tmp_path / "rude_three.py").write_text("1 / 0\n")
    known = {"preprocessing": GREY, "trust_code": True}
    for arch, why in (
        ("rude_two:bad", "RuntimeError: boom (rude_two.py line 2)"),
        ("rude_three:N", "ZeroDivisionError: "),
    ):
        with pytest.raises(InputError) as found:
            open_model(tmp_path / "w.pt", arch=arch, **known)
        assert f"arch={arch}" in str(found.value)
        assert why in str(found.value)
        assert "; correct the code at this line" in str(found.value)


def traced(module, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, of its older format
        torch.jit.trace(module, torch.zeros(2, 1, 8, 8)).save(str(path))


@pytest.mark.parametrize("option", ["arch", "output"])
def test_an_option_for_other_formats_is_refused(tmp_path, option):
    traced(small_net(), tmp_path / "m.pt")
    with pytest.raises(InputError, match=rf"no {option}= for .*torchscript.*leave {option}= out"):
        open_model(tmp_path / "m.pt", preprocessing=GREY, trust_code=True, **{option: "x"})
    with pytest.raises(InputError, match=rf"no {option}= for a model at an address"):
        open_model("http://localhost/x", preprocessing=GREY, num_classes=4, **{option: "x"})


def test_a_model_of_labels_is_no_model_of_logits(tmp_path):
    class Labels(torch.nn.Module):
        def forward(self, x):
            return x.mean(dim=(1, 2, 3)).long()

    traced(Labels(), tmp_path / "m.pt")
    known = {"preprocessing": GREY, "trust_code": True, "num_classes": 4}
    assert open_model(tmp_path / "m.pt", **known).classifier.outputs == "labels"
    with pytest.raises((InputError, ClassifierError)):
        open_model(tmp_path / "m.pt", outputs="logits", **known)


def test_code_only_where_it_is_trusted(tmp_path):
    net = small_net()
    torch.save(net.state_dict(), tmp_path / "weights.pt")
    with pytest.raises(InputError, match="trust_code=True"):
        open_model(tmp_path / "weights.pt", arch="small_nets:small_net", preprocessing=GREY)
    suspect = open_model(tmp_path / "weights.pt", arch="small_nets:small_net", preprocessing=GREY, trust_code=True)
    np.testing.assert_allclose(suspect.classifier(images(1, 8, 8)), scores(net, images(1, 8, 8)), rtol=1e-4, atol=1e-5)


def test_torchscript_and_pickle_only_where_they_are_trusted(tmp_path):
    net, batch = small_net(), images(1, 8, 8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(net, torch.zeros(1, 1, 8, 8)).save(str(tmp_path / "script"))
    torch.save(net, tmp_path / "pickle")
    for name, trust in (("script", {"trust_code": True}), ("pickle", {"trust_pickle": True})):
        flag = next(iter(trust)) + "=True"
        with pytest.raises(InputError, match=flag):
            open_model(tmp_path / name, preprocessing=GREY)
        suspect = open_model(tmp_path / name, preprocessing=GREY, **trust)
        np.testing.assert_allclose(suspect.classifier(batch), scores(net, batch), rtol=1e-4, atol=1e-5)


class Answers(torch.nn.Module):
    """A module of somebody else's that returns more than scores; with two that may be them, it is refused."""

    def __init__(self, good: bool) -> None:
        super().__init__()
        self.net, self.good = small_net(), good

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        found = self.net(x)
        return {"features": x, "probs": found} if self.good else {"a\nb": found, "c": found}


def test_an_exported_program_only_where_it_is_trusted(tmp_path):
    net, image = small_net(), torch.zeros(2, 1, 8, 8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        many = torch.export.export(net, (image,), dynamic_shapes=({0: torch.export.Dim("n")},))
        torch.export.save(many, str(tmp_path / "many.pt2"))
        torch.export.save(torch.export.export(net, (image[:1],)), str(tmp_path / "one.pt2"))
        torch.export.save(torch.export.export(net, (image.repeat(2, 1, 1, 1),)), str(tmp_path / "four.pt2"))
    with pytest.raises(InputError, match=r"torch\.export"):
        open_model(tmp_path / "many.pt2", preprocessing=GREY)
    suspect = open_model(tmp_path / "many.pt2", preprocessing=GREY, trust_code=True)
    assert suspect.format == "pt2"
    np.testing.assert_allclose(suspect.classifier(images(1, 8, 8)), scores(net, images(1, 8, 8)), atol=1e-5)
    one = open_model(tmp_path / "one.pt2", preprocessing=GREY, trust_code=True).classifier
    assert one.notes  # "image by image"
    np.testing.assert_allclose(one(images(1, 8, 8)), scores(net, images(1, 8, 8)), atol=1e-5)
    with pytest.raises(ClassifierError, match="any number of images at once"):
        open_model(tmp_path / "four.pt2", preprocessing=GREY, trust_code=True)


def test_what_a_strangers_module_returns_is_taken_apart_and_refused_by_name(tmp_path):
    batch, nets = images(1, 8, 8), {True: Answers(True), False: Answers(False)}
    for good, net in nets.items():
        torch.save(net.eval(), tmp_path / f"{good}.pt")
    suspect = open_model(tmp_path / "True.pt", preprocessing=GREY, trust_pickle=True)
    assert suspect.classifier.num_classes == 4
    np.testing.assert_allclose(suspect.classifier(batch), scores(nets[True].net, batch), rtol=1e-4, atol=1e-5)
    with pytest.raises(ClassifierError, match=r"got a dict of a\\nb \(2, 4\), c \(2, 4\)"):
        open_model(tmp_path / "False.pt", preprocessing=GREY, trust_pickle=True)


def test_an_absent_timm_is_named_with_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    save_file({"fc.weight": torch.zeros(3, 4), "fc.bias": torch.zeros(3)}, tmp_path / "weights.safetensors")
    with pytest.raises(MissingExtraError, match=r"library 'timm'.*pip install 'doldrum\[timm\]'"):
        open_model(tmp_path / "weights.safetensors", arch="timm/resnet18", preprocessing=Preprocessing(size=32))


@pytest.mark.parametrize(
    ("said", "read"),
    [
        (["cat", "dog", "\x1b[31mred", "cow"], ("cat", "dog", "\\x1b[31mred", "cow")),
        (["0", "1", "2", "3"], None),  # the names of a set without names
        (["cat", "dog"], None), ({"0": []}, None), (7, None), (None, None),
    ],
)  # fmt: skip
def test_our_own_checkpoint_knows_its_class_names(tmp_path, said, read):
    about = {"network": "mlp", "input_shape": [1, 8, 8], "num_classes": 4, "class_names": said}
    file = save_checkpoint(tmp_path / "m.safetensors", build("mlp", input_shape=(1, 8, 8), num_classes=4), about)
    assert open_model(file).class_names == read


def test_a_network_that_is_no_classifier_is_named(tmp_path):
    torch.save(torch.nn.Conv2d(1, 2, 3), tmp_path / "pickle")
    with pytest.raises(ClassifierError, match="it is not an image classifier"):
        open_model(tmp_path / "pickle", preprocessing=GREY, trust_pickle=True)


@pytest.mark.parametrize("kind", ["adam", "sgd", "calibrated", "tree"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_skops_types_that_hold_attributes_alone_are_opened(tmp_path, kind):
    sio = pytest.importorskip("skops.io")
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.neural_network import MLPClassifier
    from sklearn.svm import LinearSVC
    from sklearn.tree import DecisionTreeClassifier

    made = {
        "adam": MLPClassifier((4,), max_iter=100, random_state=0),
        "sgd": MLPClassifier((4,), max_iter=100, random_state=0, solver="sgd", learning_rate_init=0.1),
        "calibrated": CalibratedClassifierCV(LinearSVC(), cv=2),
        "tree": DecisionTreeClassifier(),
    }
    x = np.random.default_rng(0).random((60, 16)).astype(np.float32)
    estimator = made[kind].fit(x, (x[:, 0] > 0.3).astype(int) + (x[:, 0] > 0.6))
    sio.dump(estimator, tmp_path / "model.skops")
    if kind == "tree":
        with pytest.raises(
            InputError, match=r"known to be harmless, got 'sklearn\.tree\._tree\.Tree'.*export the pipeline"
        ):
            open_model(tmp_path / "model.skops")
        return
    classifier = open_model(tmp_path / "model.skops").classifier
    given = classifier(x.reshape(-1, 1, 4, 4)) if callable(classifier) else classifier.scores(x.reshape(-1, 1, 4, 4))
    assert np.allclose(given, estimator.predict_proba(x), atol=1e-6)


def test_skops_pipeline(tmp_path):
    sio = pytest.importorskip("skops.io")
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(0)
    rows, labels = rng.random((60, 64)), np.repeat(["a", "b", "c"], 20)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows * 16, labels)
    sio.dump(pipeline, tmp_path / "model.skops")
    wanted = Preprocessing(size=8, std=1 / 16, channels="grey")
    suspect = open_model(tmp_path / "model.skops", preprocessing=wanted)
    batch = images(1, 8, 8)
    np.testing.assert_allclose(
        suspect.classifier(batch), pipeline.predict_proba(batch.reshape(3, -1) * 16), rtol=1e-3, atol=1e-5
    )
    assert suspect.class_names == ("a", "b", "c")
    as_labels = open_model(tmp_path / "model.skops", preprocessing=wanted, outputs="labels").classifier
    assert as_labels(batch).tolist() == suspect.classifier(batch).argmax(1).tolist()


@pytest.mark.parametrize("kind", ["vit", "resnet"])
def test_huggingface_folder(tmp_path, kind):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    if kind == "vit":
        config = transformers.ViTConfig(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, image_size=16, patch_size=4, id2label={0: "cat", 1: "dog", 2: "\x1b[31m"})  # fmt: skip
        net = transformers.ViTForImageClassification(config).eval()
    else:
        config = transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], num_labels=3)
        net = transformers.ResNetForImageClassification(config).eval()
    save_file(net.state_dict(), tmp_path / "model.safetensors", metadata={"format": "pt"})
    (tmp_path / "config.json").write_text(json.dumps({**config.to_dict(), "architectures": [type(net).__name__]}))
    size = {"height": 16, "width": 16} if kind == "vit" else {"shortest_edge": 16}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"size": size, "image_mean": MEAN, "image_std": STD, "do_normalize": True}))  # fmt: skip
    suspect = open_model(tmp_path)
    assert (suspect.format, suspect.preprocessing) == ("huggingface", Preprocessing(size=16, mean=MEAN, std=STD))
    assert suspect.class_names == (("cat", "dog", r"\x1b[31m") if kind == "vit" else ("LABEL_0", "LABEL_1", "LABEL_2"))
    batch = images(3, 16, 16)
    inside = (batch - np.reshape(MEAN, (1, 3, 1, 1))) / np.reshape(STD, (1, 3, 1, 1))
    with torch.inference_mode():
        expected = net(torch.from_numpy(inside.astype(np.float32))).logits.numpy()
    np.testing.assert_allclose(suspect.classifier(batch), expected, rtol=1e-3, atol=1e-4)
    state = net.state_dict()
    lost = next(name for name in state if name.endswith("weight"))
    save_file({k: v for k, v in state.items() if k != lost}, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match="missing keys"):  # the library itself would draw them at random
        open_model(tmp_path)


@pytest.mark.parametrize(
    "bad",
    [{"size": 0}, {"size": (8, 8, 8)}, {"size": 8, "std": 0}, {"size": 8, "mean": float("nan")}, {"size": 8, "mean": (0, 0)}, {"size": 8, "channels": "hsv"}, {"size": True}],
)  # fmt: skip
def test_preprocessing_is_checked(bad):
    with pytest.raises(InputError, match="expected"):
        Preprocessing(**bad)


def test_kind_is_told_by_bytes(tmp_path):
    for name, write, kind in (
        ("a.pt", lambda p: onnx.save(plain_onnx(), p), "onnx"),
        ("b.onnx", lambda p: save_file({"a": torch.zeros(2)}, p), "safetensors"),
        ("c.safetensors", lambda p: torch.save({"a": torch.zeros(2)}, p), "torch"),
    ):
        write(tmp_path / name)
        assert model_kind(tmp_path / name) == kind
