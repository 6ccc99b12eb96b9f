from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from model_forms import SIZE, graph, onnx_forms, pictures
from onnx import TensorProto, helper, numpy_helper
from small_nets import small_net
from torch import nn

from doldrum.classifiers import Classifier, as_classifier
from doldrum.classifiers.adapters.module import ModuleClassifier
from doldrum.classifiers.adapters.onnx import OnnxClassifier
from doldrum.errors import ClassifierError, InputError
from doldrum.gradients import Differentiable, differentiable
from doldrum.networks import NETWORKS, build, own
from doldrum.suspects import Preprocessing, open_model
from doldrum.suspects.modules import Prepared

SHAPE = (1, 8, 8)


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(1).random((6, *SHAPE), dtype=np.float32)


def wrapped(module: nn.Module, **options: Any) -> ModuleClassifier:
    known = {"input_shape": SHAPE, "num_classes": 4} | options
    made = as_classifier(module.eval(), **known)
    assert isinstance(made, ModuleClassifier)
    return made


def exported(module: nn.Module, path: Path, shape: tuple[int, ...], **options: Any) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module, (torch.rand(2, *shape),), str(path), dynamo=False, input_names=["x"], dynamic_axes={"x": {0: "n"}}, **options
        )  # fmt: skip
    return path


def gradient(module: nn.Module, images: np.ndarray, weights: np.ndarray) -> np.ndarray:
    x = torch.from_numpy(images).requires_grad_(True)
    (found,) = torch.autograd.grad((module(x) * torch.from_numpy(weights)).sum(), x)
    return found.numpy()


def finite_differences(classifier: Classifier, images: np.ndarray, weights: np.ndarray, places: Any) -> np.ndarray:
    """By the classifier's answers alone, at some places of each image; central, in steps that float32 can tell."""
    step, found = 2e-2, []
    for place in places:
        moved = [images.copy(), images.copy()]
        moved[0][(slice(None), *place)] += step
        moved[1][(slice(None), *place)] -= step
        high, low = ((classifier(m).astype(np.float64) * weights).sum(1) for m in moved)
        found.append((high - low) / (2 * step))
    return np.stack(found, axis=1)


PLACES = [(0, 0, 0), (0, 3, 4), (0, 7, 2), (0, 5, 5)]
SMOOTH = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(36, 4), nn.Tanh())


@pytest.mark.parametrize("form", ["module", "onnx"])
def test_gradients_are_the_finite_differences_of_the_classifiers_own_answers(tmp_path, images, form):
    torch.manual_seed(3)
    net = SMOOTH.eval()
    clf = wrapped(net) if form == "module" else OnnxClassifier(exported(net, tmp_path / "m.onnx", SHAPE))
    module = differentiable(clf, images)
    assert (module.scores, module.notes, module.training) == ("logits", (), False)
    weights = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)
    found = gradient(module, images, weights)
    wanted = finite_differences(clf, images, weights, PLACES)
    assert np.abs(wanted).max() > 0.02
    assert np.allclose(np.stack([found[(slice(None), *p)] for p in PLACES], 1), wanted, atol=1e-3)


class _Narrow:
    """torch.nn, with an eighth of the channels where there are 64 or more: the same layers, in a fraction of the time."""

    def __getattr__(self, name: str) -> Any:
        kind = getattr(nn, name)
        if name not in ("Conv2d", "Linear", "BatchNorm2d"):
            return kind
        return lambda *sizes, **more: kind(*(n // 8 if n >= 64 else n for n in sizes), **more)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_as_onnx_has_the_gradients_that_it_has_in_torch(tmp_path, monkeypatch, name):
    shape = (3, 8, 8)
    torch.manual_seed(0)
    if name in ("preact-resnet18", "vgg11-bn"):
        monkeypatch.setattr(own, "nn", _Narrow())
    net = build(name, input_shape=shape, num_classes=5)
    x = np.random.default_rng(0).random((2, *shape), dtype=np.float32)
    weights = np.random.default_rng(1).standard_normal((2, 5)).astype(np.float32)
    wanted = gradient(net, x, weights)
    path = exported(net, tmp_path / "m.onnx", shape, opset_version=17)
    by_onnx = gradient(differentiable(open_model(path).classifier, x), x, weights)
    by_copy = gradient(differentiable(as_classifier(net, input_shape=shape, num_classes=5), x), x, weights)
    assert np.abs(wanted).max() > 0
    assert np.allclose(by_onnx, wanted, atol=1e-5 + 1e-4 * np.abs(wanted).max())
    assert np.array_equal(by_copy, wanted)


FORMS = onnx_forms()


@pytest.mark.parametrize("name", [name for name in FORMS if not name.startswith("argmax")])
def test_onnx_of_every_form_has_gradients_with_its_preprocessing(tmp_path, name):
    form = FORMS[name]
    onnx.save(form.model, str(tmp_path / "m.onnx"))
    settings = dict(form.settings)
    sight = {k: settings.pop(k) for k in list(settings) if k in ("size", "mean", "std", "scale", "channels")}
    opened = open_model(tmp_path / "m.onnx", preprocessing=Preprocessing(**sight) if sight else None, **settings)
    images = (pictures(5) / 255).astype(np.float32)[:, : opened.classifier.input_shape[0]]
    module = differentiable(opened.classifier, images)
    scores = module(torch.from_numpy(images)).numpy()
    answers = opened.classifier(images)
    assert module.scores == ("logits" if opened.classifier.outputs == "logits" else "log-probabilities")
    assert np.allclose(scores if module.scores == "logits" else np.exp(scores), answers, atol=1e-4)


def test_channels_scale_mean_and_std_are_in_the_gradient(tmp_path):
    onnx.save(graph(), str(tmp_path / "m.onnx"))
    sight = Preprocessing(size=SIZE, channels="bgr", scale=2, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    clf = open_model(tmp_path / "m.onnx", preprocessing=sight).classifier
    from model_forms import network

    x = np.random.default_rng(0).random((3, 3, SIZE, SIZE), dtype=np.float32)
    weights = np.random.default_rng(1).standard_normal((3, 10)).astype(np.float32)
    wanted = gradient(Prepared(network(), sight), x, weights)
    assert np.allclose(gradient(differentiable(clf, x), x, weights), wanted, atol=1e-3)


def test_probabilities_become_their_logarithms_where_the_softmax_itself_is_zero(tmp_path):
    """p of the second class is exp(-200): 0 in float32, and so would be its gradient."""
    nodes = [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("MatMul", ["f", "w"], ["z"]), helper.make_node("Softmax", ["z"], ["y"], axis=1)]  # fmt: skip
    value, scores = (
        helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", ["n", 1, 1, 2]), ("y", ["n", 2]))
    )
    weights = numpy_helper.from_array(np.diag([200, 1]).astype(np.float32), "w")
    model = helper.make_model(helper.make_graph(nodes, "g", [value], [scores], [weights]), opset_imports=[helper.make_opsetid("", 17)], ir_version=8)  # fmt: skip
    onnx.save(model, str(tmp_path / "m.onnx"))
    x = np.array([1, 0], np.float32).reshape(1, 1, 1, 2)
    clf = open_model(tmp_path / "m.onnx").classifier
    assert clf.outputs == "probabilities"
    assert clf(x)[0, 1] == 0
    module = differentiable(clf, x)
    assert module(torch.from_numpy(x)).tolist() == [[0, -200]]
    assert gradient(module, x, np.array([[0, 1]], np.float32)).reshape(-1).tolist() == [-200, 1]


def test_modules_of_probabilities_give_logarithms(images):
    net = nn.Sequential(small_net(), nn.Softmax(1))
    module = differentiable(wrapped(net, outputs="probabilities"), images)
    assert module.scores == "log-probabilities"
    x = torch.from_numpy(images)
    assert torch.allclose(module(x), net(x).clamp_min(np.finfo(np.float32).tiny).log())


class _Odd(nn.Module):
    """Writes over its input, keeps a cache from its first run, and has parameters of both kinds."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.cache = small_net(), None
        self.net[0].weight.requires_grad_(False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.cache is None:
            self.cache = self.net[0].weight.sum() * torch.ones(4)
        return self.net(nn.functional.relu_(x)) * self.cache


def test_the_users_module_and_images_stay_as_they_are(images):
    net = _Odd().eval()
    clf = wrapped(net)
    assert net.cache is not None
    assert net.cache.is_inference()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    wanted, kept, print_ = [p.requires_grad for p in net.parameters()], images.copy(), clf.fingerprint
    module = differentiable(clf, images)
    module(torch.from_numpy(images).requires_grad_(True)).sum().backward()
    assert not any(p.requires_grad for p in module.parameters())
    assert [p.requires_grad for p in net.parameters()] == wanted
    assert all(p.grad is None for p in net.parameters())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert np.array_equal(images, kept)
    assert clf.fingerprint == print_
    assert net.cache.is_inference()
    with torch.no_grad():
        net.net[4].bias.add_(1)
    assert not np.allclose(module(torch.from_numpy(images)).detach().numpy(), clf(images))


class _One(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = small_net()

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        assert len(x) == 1
        return {"logits": self.net(x)}


class _Kept(nn.Module):
    """Weights that a plain attribute holds with their history, as hooks of torch's weight_norm leave them."""

    def __init__(self) -> None:
        super().__init__()
        self.net = small_net()
        self.scale = self.net[4].weight.sum() * 1.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x) + self.scale


@pytest.mark.parametrize(
    "net", [_One(), _Kept(), small_net().half(), small_net().double()], ids=["one", "kept", "half", "double"]
)
def test_modules_of_other_kinds_have_gradients(images, net):
    clf = wrapped(net)
    module = differentiable(clf, images)
    plain = (net.net if hasattr(net, "net") else net).float()
    ones = np.ones((6, 4), np.float32)
    assert np.allclose(gradient(module, images, ones), gradient(plain, images, ones), atol=1e-4)


def test_torchscript_and_exported_programs_have_gradients(images):
    net = small_net()
    ones = np.random.default_rng(0).random((6, 4)).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        script = torch.jit.trace(net, torch.rand(2, *SHAPE))
        program = torch.export.export(
            net, (torch.rand(2, *SHAPE),), dynamic_shapes=({0: torch.export.Dim("n")},)
        ).module()
    for part in program.modules():
        part.training = False
    for made in (script, program):
        clf = as_classifier(made, input_shape=SHAPE, num_classes=4)
        assert np.allclose(gradient(differentiable(clf, images), images, ones), gradient(net, images, ones), atol=1e-4)


@pytest.mark.parametrize("symmetric", [False, True])
def test_quantised_models_have_straight_through_gradients(tmp_path, symmetric):
    """Weights and images on a grid: what is left after rounding is the linear model itself."""
    zero = numpy_helper.from_array(np.array(0 if symmetric else 128, np.int8 if symmetric else np.uint8), "z")
    weights = np.random.default_rng(0).integers(-8, 9, (64, 4)).astype(np.float32) / 4
    whole = (weights * 4 + (0 if symmetric else 128)).astype(np.int8 if symmetric else np.uint8)
    constants = [numpy_helper.from_array(np.array(1 / 64, np.float32), "s"), numpy_helper.from_array(np.array(1 / 4, np.float32), "t"), zero, numpy_helper.from_array(whole, "w")]  # fmt: skip
    nodes = [
        helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("QuantizeLinear", ["f", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]), helper.make_node("DequantizeLinear", ["w", "t", "z"], ["v"]),
        helper.make_node("MatMul", ["d", "v"], ["y"]),
    ]  # fmt: skip
    value, scores = (
        helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", ["n", 1, 8, 8]), ("y", ["n", 4]))
    )
    model = helper.make_model(helper.make_graph(nodes, "g", [value], [scores], constants), opset_imports=[helper.make_opsetid("", 17)], ir_version=8)  # fmt: skip
    onnx.save(model, str(tmp_path / "m.onnx"))
    x = np.random.default_rng(1).random((3, 1, 8, 8), dtype=np.float32)
    module = differentiable(OnnxClassifier(tmp_path / "m.onnx"), x)
    assert module.notes == ("gradients ignore the model's rounding (straight-through)",)
    found = gradient(module, x, np.tile(np.eye(4, dtype=np.float32)[1], (3, 1))).reshape(3, 64)
    assert np.allclose(found, weights[:, 1])
    assert not np.allclose(found, 0)


def branching(path: Path) -> None:
    """scores = relu(x) w where there are more than two images, else x w: the sizes decide."""
    then = helper.make_graph(
        [helper.make_node("Relu", ["f"], ["a"])],
        "then",
        [],
        [helper.make_tensor_value_info("a", TensorProto.FLOAT, None)],
    )
    other = helper.make_graph(
        [helper.make_node("Identity", ["f"], ["b"])],
        "else",
        [],
        [helper.make_tensor_value_info("b", TensorProto.FLOAT, None)],
    )
    nodes = [
        helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("Shape", ["x"], ["s"]), helper.make_node("Gather", ["s", "zero"], ["n"]),
        helper.make_node("Greater", ["n", "two"], ["many"]), helper.make_node("If", ["many"], ["c"], then_branch=then, else_branch=other),
        helper.make_node("MatMul", ["c", "w"], ["y"]),
    ]  # fmt: skip
    w = np.random.default_rng(0).standard_normal((64, 4)).astype(np.float32)
    constants = [numpy_helper.from_array(np.array(v, np.int64), n) for n, v in (("zero", 0), ("two", 2))] + [
        numpy_helper.from_array(w, "w")
    ]
    value, scores = (
        helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", ["n", 1, 8, 8]), ("y", ["n", 4]))
    )
    onnx.save(helper.make_model(helper.make_graph(nodes, "g", [value], [scores], constants), opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))  # fmt: skip


@pytest.mark.parametrize("count", [2, 6])
def test_branches_are_taken_as_the_runtime_takes_them(tmp_path, images, count):
    branching(tmp_path / "m.onnx")
    clf = OnnxClassifier(tmp_path / "m.onnx")
    moved = images[:count] - 0.5
    found = differentiable(clf, moved)(torch.from_numpy(moved)).numpy()
    assert np.allclose(found, clf(moved), atol=1e-5)


def test_functions_of_the_file_are_written_out(tmp_path, images):
    inner = helper.make_function(
        "own", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])], [helper.make_opsetid("", 17)]
    )
    nodes = [helper.make_node("Twice", ["x"], ["t"], domain="own"), helper.make_node("Flatten", ["t"], ["f"]), helper.make_node("MatMul", ["f", "w"], ["y"])]  # fmt: skip
    w = np.random.default_rng(0).standard_normal((64, 4)).astype(np.float32)
    value, scores = (
        helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("x", ["n", 1, 8, 8]), ("y", ["n", 4]))
    )
    made = helper.make_graph(nodes, "g", [value], [scores], [numpy_helper.from_array(w, "w")])
    onnx.save(helper.make_model(made, functions=[inner], opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("own", 1)], ir_version=8), str(tmp_path / "m.onnx"))  # fmt: skip
    module = differentiable(OnnxClassifier(tmp_path / "m.onnx"), images)
    assert np.allclose(gradient(module, images, np.eye(4, dtype=np.float32)[[2] * 6]).reshape(6, 64), 2 * w[:, 2])


class _Cut(nn.Module):
    def __init__(self, how: str) -> None:
        super().__init__()
        self.net, self.how = small_net(), how

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.how == "detach":
            return self.net(x.detach()).detach()
        if self.how == "constant":
            return self.net(x) * 0 + torch.tensor([1.0, 2, 3, 4])
        if self.how == "nan":
            return self.net(x) + torch.sqrt((x * 0).sum())
        if self.how == "grad mode":
            return self.net(x) * (1.1 if torch.is_inference_mode_enabled() else 1.0)
        return self.net(torch.round(x))


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("detach", "stops gradients inside"),
        ("constant", "a gradient of zero for all images: the scores don't depend on the images"),
        ("round", "a gradient of zero for all images"),
        ("nan", "NaN or infinity for 6 images"),
        ("grad mode", r"differ by 0\.\d+ times the scores' spread \(allowed: 0.001\)"),
    ],
)
def test_modules_without_gradients_say_why(images, how, said):
    with pytest.raises(ClassifierError, match=said):
        differentiable(wrapped(_Cut(how)), images)


class _Locked(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        import threading

        self.net, self.lock = small_net(), threading.Lock()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)


def test_what_cannot_be_copied_or_is_in_training_is_refused(images):
    with pytest.raises(ClassifierError, match=r"expected a module that can be copied.*lock"):
        differentiable(wrapped(_Locked()), images)
    clf = wrapped(small_net())
    clf.module.train()
    with pytest.raises(ClassifierError, match="training mode"):
        differentiable(clf, images)


def test_kinds_without_gradients_say_so_and_what_to_do(tmp_path, images):
    from sklearn.linear_model import LogisticRegression

    from doldrum.suspects.endpoint import Endpoint, EndpointClassifier

    fitted = LogisticRegression(max_iter=5, tol=10).fit(images.reshape(6, -1), [0, 1, 2, 3, 0, 1])
    address = EndpointClassifier(
        Endpoint(url="http://127.0.0.1:9/x"), input_shape=SHAPE, num_classes=4, outputs="logits"
    )
    kinds = {
        "labels only.*use methods that need only labels": as_classifier(lambda x: x[:, 0, 0, 0] > 0.5, input_shape=SHAPE, num_classes=4, outputs="labels"),
        "scores or labels, but no gradients; give a torch module": as_classifier(lambda x: x.reshape(len(x), -1)[:, :4], input_shape=SHAPE, num_classes=4),
        "a scikit-learn model": as_classifier(fitted, input_shape=SHAPE),
        "a model at an address": address,
    }  # fmt: skip
    for said, clf in kinds.items():
        with pytest.raises(ClassifierError, match=f"whose scores have gradients, got .*{said}"):
            differentiable(clf, images)


def test_openvino_and_tflite_say_which_file_would_do(tmp_path):
    ov = pytest.importorskip("openvino")
    onnx.save(graph(), str(tmp_path / "m.onnx"))
    ov.save_model(ov.convert_model(str(tmp_path / "m.onnx")), str(tmp_path / "m.xml"), compress_to_fp16=False)
    with pytest.raises(ClassifierError, match="OpenVINO runs without gradients; give the ONNX file"):
        differentiable(open_model(tmp_path / "m.xml").classifier, np.zeros((1, 3, SIZE, SIZE), np.float32))


def test_unknown_operators_and_ways_of_using_them_are_named(tmp_path, images):
    how = {"coordinate_transformation_mode": "tf_crop_and_resize"}
    crop = [np.array([0, 0, 1, 1], np.float32), np.array([1, 2], np.float32)]
    first = ("Slice", [np.array([0]), np.array([10]), np.array([1])], {})
    for after, said in (
        ([("Hardmax", [], {})], "got 'Hardmax'; give the model as a torch module"),
        ([("Resize", crop, how), first], "got 'Resize' with mode nearest, coordinates tf_crop_and_resize"),
    ):
        onnx.save(graph(after=after), str(tmp_path / "m.onnx"))
        clf = open_model(tmp_path / "m.onnx", outputs="logits").classifier
        with pytest.raises(ClassifierError, match=said):
            differentiable(clf, np.zeros((1, 3, SIZE, SIZE), np.float32))


def test_scores_made_of_an_argmax_have_no_gradient(tmp_path):
    onnx.save(graph(after=[("ArgMax", [], {"axis": 1, "keepdims": 1}), ("Equal", [np.arange(10)], {}), ("Cast", [], {"to": TensorProto.FLOAT})]), str(tmp_path / "m.onnx"))  # fmt: skip
    with pytest.raises(ClassifierError, match="stops gradients inside"):
        differentiable(open_model(tmp_path / "m.onnx").classifier, (pictures(3) / 255).astype(np.float32))


def test_images_are_needed_and_only_classifiers_are_taken(images):
    with pytest.raises(InputError, match="a few images to check gradients on, got none"):
        differentiable(wrapped(small_net()), images[:0])
    with pytest.raises(InputError, match="expected images of shape"):
        differentiable(wrapped(small_net()), images[:, :, :4])
    with pytest.raises(InputError, match="expected a Classifier, got Sequential"):
        differentiable(small_net(), images)  # pyright: ignore[reportArgumentType]


def test_where_some_images_have_no_gradient_it_is_noted():
    net = nn.Sequential(nn.Flatten(), nn.ReLU(), nn.Linear(64, 4)).eval()
    images = np.stack([np.full(SHAPE, -1, np.float32), np.ones(SHAPE, np.float32)])
    module = differentiable(wrapped(net), images)
    assert isinstance(module, Differentiable)
    assert module.notes == ("gradients are zero or not finite at 1 of the 2 images checked",)


def test_a_fixed_batch_and_more_images_than_fit(tmp_path):
    form = onnx_forms()["fixed8"]
    onnx.save(form.model, str(tmp_path / "m.onnx"))
    clf = open_model(tmp_path / "m.onnx").classifier
    images = (pictures(11) / 255).astype(np.float32)
    module = differentiable(clf, images)
    assert module(torch.from_numpy(images)).shape == (11, 10)
    onnx.save(graph(), str(tmp_path / "free.onnx"))
    free = differentiable(open_model(tmp_path / "free.onnx").classifier, images)
    weights = np.random.default_rng(0).standard_normal((11, 10)).astype(np.float32)
    assert np.allclose(gradient(module, images, weights), gradient(free, images, weights), atol=1e-5)
