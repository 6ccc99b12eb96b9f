"""The figures of the pages on methods: python docs/figures/make.py (half a minute on one core)."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
from scipy import stats as scipy_stats

import doldrum as dd
from doldrum.report import new_figure
from doldrum.stats import conformal
from doldrum.stats.proportions import clopper_pearson
from doldrum.stats.sequences import proportion_sequence

HERE = Path(__file__).parent


def victim() -> tuple[dd.Classifier, dd.ImageSet, np.ndarray]:
    """A backdoored digits network, inputs of other classes than the target, and the same with the trigger."""
    train_set, test_set = dd.load_dataset("digits:train"), dd.load_dataset("digits:test")
    trigger, plan = dd.triggers.Patch(size=2, corner="lower right"), dd.PoisonPlan(rate=0.05, target=0)
    bad = dd.train(dd.poison(train_set, trigger, plan, seed=0), recipe="digits-mlp", seed=0, progress=False)
    clf = dd.as_classifier(bad, input_shape=(1, 8, 8), num_classes=10, outputs="logits")
    assert test_set.labels is not None
    clean = test_set.take(np.flatnonzero(test_set.labels != 0)[:80])
    return clf, clean, trigger(dd.data.to_float(clean.images))


def figure_w(clf: dd.Classifier, clean: dd.ImageSet, stamped: np.ndarray) -> None:
    grid = dd.probes.Gaussian([0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.2, 1.6, 2.4, 3.2], draws=60, seed=0)
    plain, bad = (dd.measure(clf, images, grid) for images in (clean, stamped))
    fig = new_figure()
    ax = fig.subplots()
    for name, responses, colour in (("clean", plain, "C0"), ("triggered", bad, "C3")):
        means = dd.mean_smoothness(responses)
        ax.plot(responses.strengths, [m.value for m in means], color=colour, label=name)
        ax.fill_between(
            responses.strengths, [m.lower for m in means], [m.upper for m in means], color=colour, alpha=0.2
        )
    sigma = dd.sigma_half(dd.smoothness(plain))
    ax.axvline(sigma, color="0.4", linestyle=":")
    ax.annotate(f" sigma-half = {sigma:.2f}", (sigma, 0.02), color="0.3")
    ax.set(xlabel="sigma", ylabel="mean W", xscale="log", ylim=(0, None))
    ax.legend()
    save(fig, "method-w")


def figure_profile(clf: dd.Classifier, clean: dd.ImageSet, stamped: np.ndarray) -> None:
    grid = dd.probes.Gaussian([0.1, 0.2, 0.4, 0.6, 0.8, 1.2, 1.6], draws=200, seed=0)
    both = np.concatenate([dd.data.to_float(clean.images), stamped])
    found = dd.measure(clf, both, grid)
    half = len(clean)
    assert clean.labels is not None
    hit = np.flatnonzero((found.labels[half:] == 0) & (found.labels[:half] == clean.labels))
    one = int(hit[0])
    fig = new_figure(7.2, 3.2)
    axes = fig.subplots(1, 2, sharey=True)
    for ax, row, title in zip(axes, (one, one + half), ("clean", "triggered"), strict=True):
        shares = found.counts[row] / found.counts[row].sum(axis=1, keepdims=True)
        below = np.zeros(len(shares))
        for label in range(10):
            ax.bar(range(len(shares)), shares[:, label], bottom=below, color=f"C{label}", label=str(label), width=0.9)
            below += shares[:, label]
        ax.set(title=f"{title}: answered {found.labels[row]}", xlabel="sigma", xticks=range(len(shares)))
        ax.set_xticklabels([f"{s:g}" for s in found.strengths])
    axes[0].set_ylabel("share of draws")
    axes[1].legend(title="class", fontsize="x-small", loc="center left", bbox_to_anchor=(1, 0.5))
    save(fig, "method-profile")


def figure_promise() -> None:
    fig = new_figure()
    ax = fig.subplots()
    rng = np.random.default_rng(0)
    for n, colour in ((200, "C0"), (500, "C1"), (2000, "C2")):
        k = conformal.num_allowed(n, 0.05)
        scores = np.sort(rng.exponential(size=(4000, n)), axis=1)
        ax.hist(np.exp(-scores[:, n - k]), bins=60, range=(0, 0.12), density=True, color=colour, alpha=0.25)
        rate = np.linspace(0.001, 0.12, 400)
        ax.plot(rate, scipy_stats.beta(k, n + 1 - k).pdf(rate), color=colour, label=f"{n} calibration inputs")
    ax.axvline(0.05, color="0.4", linestyle=":")
    ax.set(xlabel="rate of false alarms, promised 5%", ylabel="density")
    ax.legend()
    save(fig, "method-promise")


def figure_stopping() -> None:
    looks, p, alpha = np.arange(5, 401, 5), 0.9, 0.05
    rng = np.random.default_rng(0)
    x = np.cumsum(rng.random((2000, looks[-1])) < p, axis=1)[:, looks - 1]
    fig = new_figure()
    ax = fig.subplots()
    plain = clopper_pearson(x, np.broadcast_to(looks, x.shape), alpha=alpha)
    for name, (lower, upper), colour in (
        ("95% interval at each look", plain, "C3"),
        ("95% confidence sequence", proportion_sequence(x, looks, alpha=alpha), "C0"),
    ):
        missed = np.maximum.accumulate((lower > p) | (upper < p), axis=1).mean(axis=0)
        ax.plot(looks, missed, color=colour, label=name)
    ax.axhline(alpha, color="0.4", linestyle=":")
    ax.set(xlabel="draws so far, looked at every 5", ylabel="share of runs that were ever wrong", ylim=(0, None))
    ax.legend()
    save(fig, "method-stopping")


def save(fig, name: str) -> None:
    mpl.rcParams["svg.hashsalt"] = name  # the same bytes every time
    fig.patch.set_alpha(1)  # readable on a dark page too
    fig.savefig(HERE / f"{name}.svg", metadata={"Date": None}, bbox_inches="tight")


if __name__ == "__main__":
    made = victim()
    figure_w(*made)
    figure_profile(*made)
    figure_promise()
    figure_stopping()
