"""What is answered is what the Guard says of each image by itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from served import png, serving

from doldrum.measuring.collected import collect_images
from doldrum.serving.judge import Judge


def alone(guard, image: np.ndarray) -> tuple[int, float, bool]:
    result = guard(image[None]).result
    return int(result.labels[0]), float(result.p_values[0]), bool(result.flags[0])


def told(verdict: dict) -> tuple[int, float, bool]:
    return verdict["label"], verdict["p_value"], verdict["flag"]


@pytest.mark.parametrize(("batch", "wait"), [(1, 0.0), (8, 0.02), (64, 0.2)])
def test_no_answer_depends_on_the_batch_or_on_other_requests(guard, digits, files, batch, wait) -> None:
    wanted = {f"{i}.png": alone(guard, digits[i]) for i in range(160, 190)}
    assert {flag for _, _, flag in wanted.values()} == {True, False}
    requests = [files[:1], files[1:4], files[4:5], files[5:12], files[12:20], files[20:]]
    with serving(guard, batch=batch, wait=wait) as one:
        with ThreadPoolExecutor(len(requests)) as pool:
            answers = list(pool.map(one.classify, requests))
        batches = one.metric("doldrum_batch_images_count")
        assert one.metric("doldrum_batch_images_sum") == 30
        assert one.metric("doldrum_images_total", outcome="judged") == 30
        assert one.metric("doldrum_flags_total") == sum(flag for _, _, flag in wanted.values())
        assert one.metric("doldrum_requests_total", path="/v1/classify", status="200") == 6
    assert batches == 30 if batch == 1 else batches < 30  # so some were judged together
    for asked, answer in zip(requests, answers, strict=True):
        assert answer.status == 200
        assert [v["id"] for v in answer.body["results"]] == [name for name, _ in asked]
        assert [told(v) for v in answer.body["results"]] == [wanted[name] for name, _ in asked]
        assert answer.body["flagged"] == sum(wanted[name][2] for name, _ in asked)
        assert answer.body["fpr"] == 0.2


def test_an_image_of_another_size_or_kind_is_read_as_a_scan_reads_it(served, guard, tmp_path) -> None:
    rng = np.random.default_rng(0)
    smooth = np.repeat(np.repeat(rng.integers(0, 256, (5, 7), dtype=np.uint8), 9, axis=0), 9, axis=1)
    kinds = {"a.jpg": png(smooth, "JPEG"), "b.gif": png(smooth.T, "GIF"), "c.bmp": png(smooth[:, ::-1], "BMP")}
    for name, data in kinds.items():
        (tmp_path / name).write_bytes(data)
    stored = collect_images(tmp_path, tmp_path / "work", shape=(1, 8, 8), progress=False)
    assert len(stored.ids) == 3
    wanted = dict(zip(stored.ids, (alone(guard, stored[i : i + 1][0]) for i in range(3)), strict=True))
    answer = served.classify(list(kinds.items()))
    assert {v["id"]: told(v) for v in answer.body["results"]} == wanted


def test_classes_have_names_and_files_that_have_none_are_numbered(served, digits, guard) -> None:
    answer = served.classify([("", png(digits[200, 0])), ("a\u202eb.png", png(digits[201, 0]))])
    first, second = answer.body["results"]
    labels = guard(digits[200:202]).result.labels
    names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    assert [first["class_name"], second["class_name"]] == [names[label] for label in labels]
    assert (first["id"], second["id"]) == ("0", "a\\u202eb.png")


def test_what_can_not_be_read_is_said_and_the_others_are_answered(served, guard, digits, files) -> None:
    colour = png(np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8))
    sent = [
        files[0],
        ("broken.png", files[1][1][:60]),
        ("text", b"hello"),
        ("colour.png", colour),
        ("none", b""),
        files[2],
    ]
    answer = served.classify(sent)
    assert answer.status == 200
    results = answer.body["results"]
    assert told(results[0]) == alone(guard, digits[160])
    assert told(results[5]) == alone(guard, digits[162])
    whys = ["expected a whole image", "got another kind of file", "expected a grey image", "got 0 bytes"]
    for result, why in zip(results[1:5], whys, strict=True):
        assert why in result["error"]
        assert result["label"] is result["flag"] is result["p_value"] is None
    nothing = served.classify(sent[1:5])
    assert nothing.status == 422
    assert [r["error"] for r in nothing.body["results"]] == [r["error"] for r in results[1:5]]


class Fragile:
    """A Guard whose model fails at images that have a white corner."""

    def __init__(self, guard) -> None:
        self.detector, self.watch, self._guard = guard.detector, guard.watch, guard

    def __call__(self, images):
        if (images[:, 0, 0, 0] == 255).any():
            raise RuntimeError("the model's secret path /srv/model")
        return self._guard(images)


def test_where_the_model_fails_at_one_image_the_others_of_its_batch_are_answered(guard, digits, caplog) -> None:
    images = [digits[200], digits[201].copy(), digits[202]]
    images[1][0, 0, 0] = 255
    found = Judge(Fragile(guard))(images)  # type: ignore[arg-type]
    assert [one is None for one in found] == [False, True, False]
    with serving(Fragile(guard), wait=0.2) as one:
        files = [(str(i), png(image[0])) for i, image in enumerate(images)]
        answer, failed = one.classify(files), one.classify(files[1:2])
        assert one.metric("doldrum_images_total", outcome="failed") == 2
    assert answer.status == 200
    assert [told(answer.body["results"][i]) for i in (0, 2)] == [alone(guard, images[0]), alone(guard, images[2])]
    assert (failed.status, failed.headers["retry-after"]) == (503, "1")
    assert failed.body["results"][0]["error"] == answer.body["results"][1]["error"]
    assert "/srv" not in str(failed.body)
    assert "/srv/model" in caplog.text


def test_a_model_that_gives_no_finite_answer_has_no_label(guard) -> None:
    class Silent:
        def __call__(self, images):
            found = guard(images)
            found.result.labels[:] = -1
            return found

    (judged,) = Judge(Silent())([np.zeros((1, 8, 8), np.uint8)])  # type: ignore[arg-type]
    assert judged is not None
    assert judged.label is None


def test_it_is_warm_where_the_engine_is_known_to_hold(guard, monkeypatch) -> None:
    assert guard.warm_up()
    monkeypatch.setattr("doldrum.measuring.checked.this_machine", lambda: "another")
    assert not guard.warm_up()


def test_the_page_for_programs_names_what_is_sent_and_what_comes_back(served) -> None:
    page = served.ask("GET", "/openapi.json").body
    post = page["paths"]["/v1/classify"]["post"]
    sent = post["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]["images"]
    assert sent["items"] == {"type": "string", "format": "binary"}
    verdict = page["components"]["schemas"]["Verdict"]["properties"]
    assert set(verdict) == {"id", "label", "class_name", "p_value", "flag", "error"}
    assert {"401", "408", "413", "415", "422", "429", "503", "504"} <= set(post["responses"])
    assert served.ask("GET", "/docs").status == 200
