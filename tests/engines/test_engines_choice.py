from __future__ import annotations

import gc
import weakref

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from small_nets import small_net

import doldrum as dd
from doldrum.classifiers.adapters.onnx import OnnxClassifier
from doldrum.engines import choose, choose_engine, remembered
from doldrum.engines.compiled import CompiledEngine
from doldrum.engines.onnxruntime import OnnxRuntimeEngine
from doldrum.errors import EngineError, InputError
from doldrum.measuring import Answers, Measurement


@pytest.fixture(autouse=True)
def no_memory(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("DOLDRUM_ENGINES", str(tmp_path / "engines"))


def test_onnx_runtime_gives_the_modules_scores(clf, images) -> None:
    assert np.allclose(OnnxRuntimeEngine(clf, rows=7)(images), clf(images), atol=1e-4)


def test_onnx_runtime_runs_a_file_and_any_number_of_threads_gives_the_same(tmp_path, images, monkeypatch) -> None:
    weights = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "w"], ["scores"]),
    ]
    ends = [("x", ["N", 1, 8, 8]), ("scores", ["N", 3])]
    first, last = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in ends)
    graph = helper.make_graph(nodes, "g", [first], [last], [numpy_helper.from_array(weights, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(tmp_path / "m.onnx"))
    clf = OnnxClassifier(tmp_path / "m.onnx")
    outputs = []
    for threads in ("1", "3"):
        monkeypatch.setenv("DOLDRUM_THREADS", threads)
        outputs.append(OnnxRuntimeEngine(clf, rows=6)(images))
    assert np.array_equal(*outputs)
    assert np.allclose(outputs[0], images.reshape(20, -1) @ weights, atol=1e-4)


def test_an_error_in_a_sink_of_onnx_runtime_reaches_the_caller(clf) -> None:
    def sink(key, output):
        raise RuntimeError("from the sink")

    with pytest.raises(RuntimeError, match="from the sink"):
        OnnxRuntimeEngine(clf, rows=4).run(((i, lambda buffer: buffer.fill(0)) for i in range(50)), sink)


def test_auto_takes_the_fastest_and_then_stays_with_it(clf, images, monkeypatch) -> None:
    """Timing decides once: the second run takes the same engine though timing would now say another."""
    monkeypatch.setattr(choose, "_seconds", lambda found, sample: [f[0].name != "onnxruntime" for f in found])
    assert choose_engine(clf, "auto", rows=8, sample=images)[1].engine == "onnxruntime"
    monkeypatch.setattr(choose, "_seconds", lambda found, sample: pytest.fail("timed again"))
    assert choose_engine(clf, "auto", rows=8, sample=images)[1].engine == "onnxruntime"


def test_where_nothing_can_be_kept_timing_does_not_decide(clf, images, monkeypatch, tmp_path) -> None:
    """A confined process can't write the cache: two runs of it must not take two engines."""
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("DOLDRUM_ENGINES", str(tmp_path / "file" / "engines"))
    monkeypatch.setattr(choose, "candidates", lambda classifier: [("onnxruntime", "fp32"), ("eager", "fp32")])
    for fastest in ("onnxruntime", "eager"):
        monkeypatch.setattr(choose, "_seconds", lambda found, sample, name=fastest: [f[0].name != name for f in found])
        assert choose_engine(clf, "auto", rows=8, sample=images)[1].engine == "onnxruntime"


def test_the_first_of_two_processes_decides() -> None:
    remembered.folder().mkdir()
    (remembered.folder() / "j.json.4711.part").write_text("{")
    assert remembered.keep("k", ("openvino", "fp32")) == ("openvino", "fp32")
    assert not list(remembered.folder().glob("*.part"))
    assert remembered.keep("k", ("onnxruntime", "fp32")) == ("openvino", "fp32")
    (remembered.folder() / "k.json").write_text("{")
    assert remembered.recall("k") is None


def test_an_engine_that_does_not_suit_is_refused_in_words(images) -> None:
    clf = dd.as_classifier(lambda x: x.reshape(len(x), -1)[:, :3], input_shape=(1, 8, 8), num_classes=3)
    for engine in ("onnxruntime", "compile"):
        with pytest.raises(EngineError, match="engine='eager'"):
            choose_engine(clf, engine, rows=8, sample=images)
    with pytest.raises(InputError, match="expected an engine"):
        choose_engine(clf, "fast", rows=8, sample=images)


def test_the_compiled_engines_own_loop_hands_over_every_tile(clf, images, monkeypatch) -> None:
    """Without the compiler, which takes long: the graph is the module itself."""
    monkeypatch.setattr(torch, "compile", lambda module, **options: module)
    assert np.allclose(CompiledEngine(clf, rows=7, precision="fp32")(images), clf(images), atol=1e-5)

    def broken(module, **options):
        raise RuntimeError("no C++ compiler")

    monkeypatch.setattr(torch, "compile", broken)
    with pytest.raises(EngineError, match="no C"):
        CompiledEngine(clf, rows=7)


def test_the_compiled_engine_has_tiles_filled_where_the_model_is(clf, images, monkeypatch) -> None:
    """As on CUDA, but for the device: its own buffers stay unused, labels are those of the module, and order and batches change none."""
    monkeypatch.setattr(torch, "compile", lambda module, **options: module)
    run = Measurement(clf, images, dd.probes.Gaussian([0.1, 0.3], draws=40), engine="compile-fp32", batch_size=7)
    assert isinstance(run.engine, CompiledEngine)
    run.engine.fills_there = True
    monkeypatch.setattr("doldrum.measuring.battery.Battery.fill", None)
    found = Answers.concatenate(list(run.chunks())).only
    monkeypatch.undo()
    plain = dd.measure(clf, images, dd.probes.Gaussian([0.1, 0.3], draws=40), engine="eager")
    assert np.array_equal(found.draws, plain.draws)
    assert np.array_equal(found.labels, plain.labels)


def test_engines_of_past_classifiers_are_let_go(images) -> None:
    """A study measures thousands of networks in one process; kept engines hold their classifier and its weights."""
    gone = []
    for seed in range(8):
        net = dd.as_classifier(small_net(seed=seed), input_shape=(1, 8, 8), num_classes=4)
        dd.measure(net, images[:2], dd.probes.Gaussian([0.1], draws=4), engine="onnxruntime")
        gone.append(weakref.ref(net))
    del net
    gc.collect()
    assert sum(ref() is not None for ref in gone) <= 4


@pytest.mark.parametrize("engine", ["auto", "eager"])
def test_a_model_whose_answers_change_is_said(images, engine) -> None:
    chance = np.random.default_rng(0)
    clf = dd.as_classifier(lambda x: chance.random((len(x), 4)), input_shape=(1, 8, 8), num_classes=4)
    with pytest.warns(UserWarning, match="the model's answers change"):
        r = dd.measure(clf, images, dd.probes.Gaussian([0.1], draws=4), engine=engine)
    assert r.info["engine"]["agreement"] < 0.5


@pytest.mark.parametrize(
    ("dtype", "name"), [(torch.float16, "fp16"), (torch.bfloat16, "bf16"), (torch.float64, "fp64")]
)
def test_a_module_in_another_precision_is_recorded_as_what_it_is_and_only_run_by_itself(images, dtype, name) -> None:
    net = dd.as_classifier(small_net(seed=0).to(dtype), input_shape=(1, 8, 8), num_classes=4)
    _, choice = choose_engine(net, "auto", rows=8, sample=images)
    assert (choice.engine, choice.precision) == ("eager", name)
    for engine in ("openvino", "openvino-fp32", "onnxruntime", "compile-fp32"):
        with pytest.raises(EngineError, match=f"got a module of {name}; use engine='eager'"):
            choose_engine(net, engine, rows=8, sample=images)
    r = dd.measure(net, images, dd.probes.Gaussian([0.1], draws=8))
    direct = net.module(torch.from_numpy(images).to(dtype)).argmax(1)  # pyright: ignore[reportAttributeAccessIssue]
    assert np.array_equal(r.labels, direct.numpy())
    assert r.info["engine"]["precision"] == name


def test_one_label_of_a_few_is_no_warning_and_many_are(clf, monkeypatch) -> None:
    """A detector keeps its engine: a scan of two images must not warn for one label that bf16 rounds otherwise."""
    images = np.random.default_rng(1).random((32, 1, 8, 8), dtype=np.float32)

    def off(wrong):
        def outputs(self, x):
            scores = clf(x).copy()
            scores[:wrong] = -scores[:wrong]
            return scores

        return outputs

    monkeypatch.setattr(OnnxRuntimeEngine, "__call__", off(1))
    assert choose_engine(clf, "onnxruntime", rows=8, sample=images)[1].agreement == 31 / 32
    monkeypatch.setattr(OnnxRuntimeEngine, "__call__", off(4))
    with pytest.warns(
        UserWarning, match="give the same labels as the model itself for 98% of the images, got 87.5% of 32"
    ):
        choose_engine(clf, "onnxruntime", rows=8, sample=images)
