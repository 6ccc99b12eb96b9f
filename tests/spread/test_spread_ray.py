"""A Ray instance of two CPUs on this machine: labels and records are those of one process, a lost worker costs nothing."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from toy_study import TOY, values

import doldrum as dd
from doldrum.detectors.deploy import scanning
from doldrum.detectors.deploy.scanning import scan_to
from doldrum.errors import InputError, WorkerError
from doldrum.measuring import Measurement, measure_to, read_manifest
from doldrum.spread import cluster, spread
from doldrum.studies import run_study

ray = pytest.importorskip("ray")
PROBE = dd.probes.Gaussian([0.1, 0.3], draws=30, seed=1)


@pytest.fixture(scope="module", autouse=True)
def armed(tmp_path_factory):
    """Workers get the environment that the instance was started in."""
    folder = tmp_path_factory.mktemp("ray")
    before = dict(os.environ)
    os.environ |= {"DOLDRUM_TEST_ARMED": str(folder / "armed"), "DOLDRUM_TEST_RUNS": str(folder / "runs.txt")}
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112  (its default is 15: beside other work its workers get no turn)
    os.environ["PYTHONPATH"] = os.pathsep.join(
        str(f) for f in (Path(__file__).parent, Path(__file__).parents[1] / "shared")
    )
    cluster.RayPool(abs, 2, "local")._connect()
    yield folder / "armed"
    ray.shutdown()
    os.environ.clear()
    os.environ |= before


def deadly(x: np.ndarray) -> np.ndarray:
    """Kills a worker at the bright image, while armed."""
    if os.environ.get("DOLDRUM_THREADS") == "1" and x.max() > 9 and Path(os.environ["DOLDRUM_TEST_ARMED"]).exists():
        os.kill(os.getpid(), signal.SIGKILL)
    return x.reshape(len(x), 16, 4).sum(axis=1)


def test_labels_are_those_of_one_process(images, tmp_path) -> None:
    clf = dd.as_classifier(deadly, input_shape=(1, 8, 8), num_classes=4)
    until = dd.until.Decided(0.3)  # each input takes draws of its own
    measure_to(Measurement(clf, images, PROBE, batch_size=3, until=until), tmp_path / "out", ray="auto")
    back = dd.read_responses(tmp_path / "out")
    assert np.array_equal(back.draws, dd.measure(clf, images, PROBE, until=until).draws)
    assert back.ids == tuple(str(i) for i in range(20))
    assert back.info["complete"] is True


def test_a_lost_worker_is_said_and_the_run_continues(images, tmp_path, armed) -> None:
    clf = dd.as_classifier(deadly, input_shape=(1, 8, 8), num_classes=4)
    probe = dd.probes.Gaussian([0.1, 3.0], draws=30, seed=1)  # only the second makes pixels above 9
    run = Measurement(clf, images, probe, batch_size=2, engine="eager")
    armed.touch()
    with pytest.raises(WorkerError, match="run the same command again to continue"):
        measure_to(run, tmp_path / "out", ray="auto", workers=1)
    assert read_manifest(tmp_path / "out")["complete"] is False
    armed.unlink()
    measure_to(run, tmp_path / "out", ray="auto", workers=1)
    assert np.array_equal(
        dd.read_responses(tmp_path / "out").draws, dd.measure(clf, images, probe, engine="eager").draws
    )


def mortal(x: np.ndarray) -> np.ndarray:
    """Kills a worker at a white corner, once for the file that has the image's number (its next pixel)."""
    if os.environ.get("DOLDRUM_WORKERS"):
        for row in np.flatnonzero((x[:, 0, 0, :4] == 1).all(axis=1)):
            mark = Path(os.environ["DOLDRUM_TEST_ARMED"]).parent / f"death-{round(255 * x[row, 0, 0, 4])}"
            if mark.exists():
                mark.unlink()
                os.kill(os.getpid(), signal.SIGKILL)
    return x.reshape(len(x), 16, 4).sum(axis=1)


def test_a_scan_is_that_of_one_process_and_actors_that_die_are_replaced(tmp_path, armed, monkeypatch) -> None:
    monkeypatch.setattr(scanning, "_SHARD", 40)
    clf = dd.as_classifier(mortal, input_shape=(1, 8, 8), num_classes=4)
    pool = np.random.default_rng(1).integers(0, 255, (200, 1, 8, 8), dtype=np.uint8)
    for n in range(2):  # in two batches
        pool[105 + 40 * n, 0, 0, :5] = 255, 255, 255, 255, n
    detector = dd.detectors.W(strength=0.2, draws=3, seed=1)
    detector.batch_size = 20
    detector.fit(clf, pool[:10]).calibrate(pool[10:100], fpr=0.05)
    scan_to(detector, pool[100:], tmp_path / "one", progress=False)
    for n in range(2):
        (armed.parent / f"death-{n}").touch()
    scan_to(detector, pool[100:], tmp_path / "two", progress=False, ray="auto", workers=2)
    assert not list(armed.parent.glob("death-*"))
    found = [{path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two")]
    assert found[0] == found[1]


def test_a_calibration_is_that_of_one_process_and_a_dead_actor_costs_nothing(armed) -> None:
    clf = dd.as_classifier(mortal, input_shape=(1, 8, 8), num_classes=4)
    pool = np.random.default_rng(1).integers(0, 255, (150, 1, 8, 8), dtype=np.uint8)
    pool[100, 0, 0, :5] = 255, 255, 255, 255, 0
    detector = dd.detectors.SmoothnessProfile(seed=1)
    detector.batch_size = 20
    one = detector.fit(clf, pool[:60]).calibrate(pool[60:], fpr=0.05).calibration
    (armed.parent / "death-0").touch()
    two = detector.calibrate(pool[60:], fpr=0.05, ray="auto", workers=1).calibration
    assert not list(armed.parent.glob("death-*"))
    for name in ("scores", "ties"):
        assert np.array_equal(getattr(one, name), getattr(two, name))


def test_an_audit_has_the_rows_of_one_process_and_a_dead_actor_costs_nothing(tmp_path, monkeypatch) -> None:
    """Each actor has a confined process of its own with the model."""
    import pandas as pd  # here: actors import this file
    from linear_onnx import linear_onnx
    from mortals import MortalHelper, mark

    from doldrum.audit import AuditSettings, run_audit
    from doldrum.confined.scanning import helping

    model = linear_onnx(tmp_path / "m.onnx")
    images = np.random.default_rng(1).integers(0, 256, (400, 1, 8, 8), dtype=np.uint8)
    for name, some in (("clean", images[:120]), ("images", images[120:])):
        np.save(tmp_path / f"{name}.npy", some)
    given = {"model": str(model), "images": str(tmp_path / "images.npy"), "clean": str(tmp_path / "clean.npy")}
    rows = []
    for name, spread_by in (("one", {}), ("two", {"ray": "auto", "workers": 1})):
        if spread_by:
            mark().touch()
            monkeypatch.setattr(helping, "Helper", MortalHelper)
        asked = AuditSettings(
            **given, out=str(tmp_path / name), fpr=0.05, seed=1, inspect=False, explain=0, **spread_by
        )
        run_audit(asked, progress=False)
        rows.append(pd.read_parquet(tmp_path / name / "rows.parquet"))
    assert not mark().exists()
    assert rows[0].equals(rows[1])


def test_references_are_examined_as_by_one_process_and_a_dead_actor_costs_nothing(tmp_path, monkeypatch) -> None:
    from mortals import MortalExaminer, mark  # here: actors import this file
    from onnx_toys import clean_file, here, references, settings, toy_file

    from doldrum.inspecting import references as examined

    model, clean = toy_file(tmp_path / "bad.onnx", 1, backdoor=True), clean_file(tmp_path / "clean.npy")
    found = []
    mark().touch()
    monkeypatch.setattr(examined, "_Examiner", MortalExaminer)
    for name, spread_by in (("two", {"ray": "auto", "workers": 1}), ("one", {})):
        refs = str(references(tmp_path / name, 2))
        more = {"references": refs, "fpr": 0.34, "inspectors": ("local-dominant",), **spread_by}
        asked = settings(model, clean, tmp_path / "out", **more)
        shelf = examined.Shelf.of(asked)
        shelf.examine(asked.to_dict(), progress=False, say=lambda line: None)
        assert not mark().exists()
        monkeypatch.setattr(examined, "run_confined", here)  # the second time, in this process
        found.append([
            (one["name"], [(r["inspector"], r["refused"], r["values"]) for r in one["examination"]["readings"]])
            for one in shelf.examinations()
        ])  # fmt: skip
    assert found[0] == found[1]


def test_records_are_those_of_one_process(tmp_path) -> None:
    run_study(TOY, out=tmp_path / "one")
    run_study(TOY, out=tmp_path / "two", ray="auto", workers=1)
    assert values(tmp_path / "one") == values(tmp_path / "two")


def refuse(job: int) -> int:
    raise InputError(f"expected another job, got {job}")


def test_what_work_raises_comes_through() -> None:
    with pytest.raises(InputError, match="expected another job, got 1"):
        list(spread(refuse, [1], ray="auto", workers=1))
    with pytest.raises(InputError, match="one worker per CPU of the cluster, got 3 workers for 2"):
        list(spread(abs, [1], ray="auto", workers=3))


def test_workers_with_other_versions_are_refused_and_other_processors_told(monkeypatch) -> None:
    found = cluster.versions_and_machine()
    other = {**found, "versions": {**found["versions"], "numpy": "1.0"}}
    with pytest.raises(WorkerError, match=r"got numpy 1\.0"):
        cluster._check([found, other])
    with pytest.raises(WorkerError, match="got no numpy"):
        cluster._check([{**found, "versions": {n: v for n, v in found["versions"].items() if n != "numpy"}}])
    with pytest.warns(UserWarning, match="got Abacus besides"):
        cluster._check([{**found, "machine": {**found["machine"], "processor": "Abacus"}}])
