"""When activation clustering drops a cluster: the rule that records of it, and pages on these, rest on."""

from __future__ import annotations

__all__ = ["LEAST_SILHOUETTE", "MOST_SHARE"]

MOST_SHARE, LEAST_SILHOUETTE = 0.35, 0.10
"""The smaller cluster is dropped where it holds less than this share of its class, and the silhouette is above this.

Source: the defaults of the authors' Adversarial Robustness Toolbox.
"""
