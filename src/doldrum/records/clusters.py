"""The rule by which activation clustering (a cleansing method) drops a cluster of training samples."""

from __future__ import annotations

__all__ = ["LEAST_SILHOUETTE", "MOST_SHARE"]

MOST_SHARE, LEAST_SILHOUETTE = 0.35, 0.10
"""The smaller cluster of a class is dropped if its share is below MOST_SHARE and the silhouette above LEAST_SILHOUETTE.

Source: the defaults of the authors' Adversarial Robustness Toolbox.
"""
