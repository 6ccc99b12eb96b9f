"""The split of clean images: every advice of its error works, and copies are refused."""

from __future__ import annotations

import re

import numpy as np
import pytest

import doldrum as dd
from doldrum.detectors import MaxSoftmax, SmoothnessProfile
from doldrum.detectors.contract.splitting import check_different, num_to_fit
from doldrum.errors import InputError
from doldrum.stats.conformal import num_allowed


def told(count: int, fpr: float, **how) -> str:
    with pytest.raises(InputError) as refused:
        num_to_fit(count, fpr, **how)
    return str(refused.value)


def works(count: int, fpr: float, *, least: int, **how) -> bool:
    cut = num_to_fit(count, fpr, least=least, **how)
    return cut >= least and num_allowed(count - cut, fpr) >= 1


@pytest.mark.parametrize("least", [1, 10, 50])
@pytest.mark.parametrize("share", [None, 0.1, 0.3, 0.5, 0.9])
def test_what_the_error_advises_works(least: int, share: float | None) -> None:
    refused = 0
    for fpr in (0.01, 0.05, 0.3):
        for count in range(130):
            try:
                assert works(count, fpr, least=least, share=share)
            except InputError as error:
                refused += 1
                text = str(error)
                total = int(re.findall(r"at least (\d+) clean", text)[0])
                assert works(total, fpr, least=least, share=share)
                with pytest.raises(InputError):
                    num_to_fit(total - 1, fpr, least=least, share=share)
                if "no fpr= is possible" in text:
                    assert count <= least
                    continue
                advice = text.rpartition("; ")[2].partition(", or ")[2]
                assert advice
                rate = re.findall(r"fpr=([\d.]+)", advice)
                left_out = None if "leave out fit_share=" in advice else share
                assert works(count, float(rate[0]) if rate else fpr, least=least, share=left_out)
    assert refused > 100


def test_the_numbers_of_the_how_to() -> None:
    assert (
        "at least 109 clean images for fpr=0.01 (10 to fit and 99 to calibrate), got 30; add clean images, or pass fpr=0.048"
        in told(30, 0.01, least=10)
    )
    assert told(9, 0.05, least=10).endswith("add clean images (with fewer than 11 clean images, no fpr= is possible)")
    assert "at least 32 clean images for fpr=0.05 and fit_share=0.3" in told(30, 0.05, least=10, share=0.3)
    assert told(30, 0.05, least=10, share=0.3).endswith("or leave out fit_share=")


def test_each_detector_knows_its_least_number() -> None:
    assert {name: made(seed=0).fewest for name, made in dd.detectors.DETECTORS.items() if made(seed=0).fewest > 1} == {
        "profile": 10, "staged-profile": 10, "strip": 100, "frequency": 20,
    }  # fmt: skip


def test_copies_promise_nothing(clf, images) -> None:
    one = np.repeat(images[:1], 100, axis=0)
    with pytest.raises(InputError, match=r"at least 10 different clean inputs for fit, got copies: only 1 of 100"):
        SmoothnessProfile(seed=0).fit(clf, one)
    fitted = MaxSoftmax(seed=0).fit(clf, images[:1])
    with pytest.raises(InputError, match=r"expected calibration inputs that differ.*only 1 of 100 are different"):
        fitted.calibrate(np.repeat(images[1:2], 100, axis=0), fpr=0.01)
    with pytest.raises(InputError, match=r"\(at least 19 for fpr=0.05\), got copies: only 18 of 19"):
        fitted.calibrate(images[[*range(1, 19), 18]], fpr=0.05)
    fitted.calibrate(images[[*range(1, 20), 19]], fpr=0.05)  # ordinary data have a few
    ties = np.random.default_rng(0).random(100)
    check_different(ties[[*range(90), *range(10)]])
    with pytest.raises(InputError, match="remove the copies"):
        check_different(ties[[*range(89), *range(11)]])
