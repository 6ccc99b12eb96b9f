"""Shared by tools/few-images-study and tools/imagenet-study: fits and calibrations over random splits of measured images."""
