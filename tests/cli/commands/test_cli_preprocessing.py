"""The table and the JSON of a check of preprocessing."""

import io
import json

import numpy as np
from rich.console import Console

from doldrum.classifiers import as_classifier
from doldrum.cli.commands.preprocessing import preprocessing_table, preprocessing_values
from doldrum.cli.output import plain
from doldrum.suspects import Preprocessing
from doldrum.suspects.preprocessing_check import check_preprocessing


def check(*, labelled):
    """Six classes, by which row is bright, of a model that wants 0 to 255 and was opened as [0, 1]."""
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 6, 200)
    images = draw.uniform(0, 0.2, (200, 1, 6, 6)).astype(np.float32)
    images[np.arange(200), 0, labels] += 0.7
    model = as_classifier(lambda x: (x[:, 0].mean(2) > 100) * 1.0, input_shape=(1, 6, 6), num_classes=6)
    return check_preprocessing(model, Preprocessing(size=6, channels="grey"), images, labels if labelled else None)


def shown(found):
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(preprocessing_table(found))
    return console.export_text()


def test_the_table_says_what_the_check_found():
    text = shown(check(labelled=True))
    first = next(line for line in text.splitlines() if "[0, 255]" in line)
    assert "--scale 255 --mean 0 --std 1" in first
    assert "100.0% (98% to 100%)" in first
    assert "6 of 6" in first
    assert "(as opened)" in next(line for line in text.splitlines() if "[0, 1]" in line)
    assert "[0, 255] fits best" in text
    assert "200 labelled clean images (3,000 forwards)" in text


def test_without_labels_there_is_no_accuracy():
    text = shown(check(labelled=False))
    assert "accuracy" not in text
    assert "unlabelled" in text


def test_the_json_can_be_read_back():
    found = check(labelled=True)
    values = json.loads(json.dumps(plain(preprocessing_values(found)), allow_nan=False))
    assert values["shown"] is True
    assert values["rows"][0]["flags"] == found.best.flags
    assert values["rows"][0]["accuracy"]["value"] == 1
    assert values["rows"][0]["preprocessing"]["scale"] == 255
    assert len(values["rows"]) == 5
