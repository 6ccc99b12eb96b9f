"""Interpret one value from the user: a Pillow image, an array or tensor, an (image, label) pair, a row, or a batch of any of these."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from doldrum.data.readers.image_file import MOST_PIXELS, read_image
from doldrum.errors import InputError
from doldrum.intake import fit_image, image_pixels
from doldrum.pixels import HOW_PIXELS, SCALES, check_pixels

__all__ = ["LABEL_COLUMNS", "array_of", "expanded", "fitted_array", "fitted_picture", "is_picture", "picture_pixels"]

_IMAGE_COLUMNS = ("image", "img", "images", "pixel_values", "pixels", "x", "input", "inputs", "jpg", "jpeg", "png", "webp")  # fmt: skip
LABEL_COLUMNS = ("label", "labels", "y", "target", "targets", "cls", "class", "fine_label")
Shape = tuple[int, int, int]


def expanded(value: Any, shape: Shape | None) -> Iterator[tuple[Any, int | None]]:
    """Yield a pair (image, class number) for each image in `value`. The class number is None for an image without a
    known label.

    A single image gives one such pair, and a batch of images gives one pair per image.

    A tuple is (image, label, …) or (batch, labels, …). A list is a batch if all its elements are images, pairs or rows;
    otherwise it is read like a tuple. In a row (a dict), the image is under `image`, `img`, `pixel_values`, … and the
    label under `label`, `labels`, `y`, `target`, …. An array of three axes is usually one image. In two cases, an array
    of three axes is read as a batch of grey images: the array fits `shape` (C, H, W) only as a batch, or there is one
    label for each element of the first axis.

    >>> [(i.shape, label) for i, label in expanded((np.zeros((2, 3, 8, 8)), [4, 5]), None)]
    [((3, 8, 8), 4), ((3, 8, 8), 5)]
    """
    array = None if is_picture(value) else array_of(value)
    if is_picture(value) or array is not None:
        yield from _images(value if array is None else array, None, shape)
    elif isinstance(value, Mapping):
        yield from _images(*_columns(cast("Mapping[Any, Any]", value)), shape)
    elif isinstance(value, list) and all(map(_is_item, cast("list[Any]", value))):
        for one in cast("list[Any]", value):
            yield from expanded(one, shape)
    elif isinstance(value, (tuple, list)) and value:
        parts = cast("Sequence[Any]", value)
        yield from _images(parts[0], parts[1] if len(parts) > 1 else None, shape)
    else:
        got = f"an empty {type(value).__name__}" if isinstance(value, (tuple, list)) else type(value).__name__
        raise InputError(
            f"expected an image or a batch, alone or in a pair with its labels, got {got}; give arrays or Pillow images"
        )


def _images(image: Any, label: Any, shape: Shape | None) -> Iterator[tuple[Any, int | None]]:
    if is_picture(image):
        yield image, _label(label)
        return
    if isinstance(image, (list, tuple)):
        images: Sequence[Any] = cast("Sequence[Any]", image)
    else:
        array = array_of(image)
        if array is None:
            raise InputError(
                f"expected an image, got {type(image).__name__}; give an array, a tensor or a Pillow image"
            )
        labels = _labels(label)
        if array.ndim < 4 and not (array.ndim == 3 and _grey_batch(array, labels, shape)):
            yield array, _label(label)
            return
        images = cast("Sequence[Any]", array)
    labels = _labels(label)
    for i, one in enumerate(images):
        yield one, None if labels is None or len(labels) != len(images) else _label(labels[i])


def _grey_batch(array: NDArray[Any], labels: Sequence[Any] | None, shape: Shape | None) -> bool:
    if labels is not None and len(labels) == len(array):
        return True
    if shape is None or array.shape in (shape, (*shape[1:], shape[0])):
        return False
    return array.shape[1:] == shape[1:] and array.shape[0] not in (1, 3)


def _is_item(value: Any) -> bool:
    """Whether an element of a list is an image, a row, or a pair that begins with an image.

    A list is a batch if all its elements are images, rows, or pairs that begin with an image.
    """
    if isinstance(value, tuple) and value:
        value = cast("tuple[Any, ...]", value)[0]
    array = None if is_picture(value) else array_of(value)
    return is_picture(value) or isinstance(value, Mapping) or (array is not None and array.ndim in (2, 3))


def _columns(row: Mapping[Any, Any]) -> tuple[Any, Any]:
    """The image and the label of a row."""
    name = next((c for c in _IMAGE_COLUMNS if c in row), None)
    if name is None:
        found = [k for k, v in row.items() if is_picture(v) or getattr(array_of(v), "ndim", 0) >= 2]
        if len(found) != 1:
            raise InputError(
                f"expected a column 'image', got {', '.join(map(str, row)) or 'none'}; rename one, or use dd.data.from_huggingface, "
                "which takes image_column="
            )
        name = found[0]
    return row[name], next((row[c] for c in LABEL_COLUMNS if c in row), None)


def _labels(value: Any) -> Sequence[Any] | None:
    """The labels of a batch, one per image; None if there are no labels."""
    if isinstance(value, (list, tuple)):
        return cast("Sequence[Any]", value)
    array = array_of(value)
    if array is None or array.ndim not in (1, 2) or (array.ndim == 2 and array.shape[1] != 1):
        return None
    return cast("Sequence[Any]", array.ravel())


def _label(value: Any) -> int | None:
    """The class number if `value` is a whole number of at least 0; else None, such as for the -1 of a hidden label."""
    array = array_of(value)
    value = array.item() if array is not None and array.size == 1 else value
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        return None
    return int(value) if value >= 0 else None


def is_picture(value: Any) -> bool:
    """Whether `value` is a Pillow image, or an encoded image in a Hugging Face row ({"bytes", "path"})."""
    if isinstance(value, dict):
        return bool(value) and set(cast("dict[Any, Any]", value)) <= {"bytes", "path"}
    return hasattr(value, "mode") and hasattr(value, "convert")


def array_of(value: Any) -> NDArray[Any] | None:
    """Convert `value` to a NumPy array if it is an array, or a tensor of any library on any device; else return None.

    Raises InputError for sparse tensors, and for tensors on torch's meta device, which have no values.
    """
    if isinstance(value, np.ndarray):
        return value
    tensor = hasattr(value, "detach")
    if not tensor and not (hasattr(value, "__array__") and hasattr(value, "shape")):
        return None
    if getattr(value, "is_meta", False) is True:
        raise InputError(
            "expected a tensor with values, got one on the meta device, which has none; load its values first"
        )
    try:
        if tensor:
            value = value.detach().cpu()
            value = value.float() if str(value.dtype) == "torch.bfloat16" else value
        return np.asarray(value)
    except (
        TypeError,
        ValueError,
        RuntimeError,
    ) as error:  # what its library raises for layouts and types without an array
        why = str(error).strip().partition("\n")[0]
        raise InputError(
            f"expected an array or a dense tensor, got a {type(value).__name__} that gives no array ({why}); convert it, such as with .to_dense()"
        ) from error


def picture_pixels(image: Any) -> NDArray[np.uint8]:
    """The pixels of a picture as uint8 (1 or 3, H, W), rotated as EXIF says.

    Raises InputError, with the reason, if the picture can't be decoded.
    """
    if isinstance(image, dict):
        encoded = cast("dict[str, Any]", image)
        if encoded.get("bytes") is not None:
            return read_image(io.BytesIO(encoded["bytes"]))
        if encoded.get("path"):
            return read_image(encoded["path"])
        raise InputError("expected an image, got a row without its bytes or its path; leave out this row")
    from PIL import ImageOps

    width, height = image.size
    if width * height > MOST_PIXELS:
        raise InputError(f"expected at most {MOST_PIXELS} pixels, got {width} x {height}; make the image smaller")
    try:
        return image_pixels(ImageOps.exif_transpose(image))
    except InputError:
        raise
    except Exception as error:  # decoders of broken files raise what they like
        raise InputError(f"expected a whole image, got one that cannot be decoded ({error})") from error


def fitted_picture(
    image: Any, shape: Shape | None, fit: Callable[[Sequence[Any]], NDArray[Any]] | None
) -> tuple[NDArray[Any], bool]:
    """The pixels of a picture in the classifier's input shape, and whether the picture was resized.

    The picture is resized by the classifier's own `fit` if there is one, else it is stretched.
    """
    if fit is not None and not isinstance(image, dict):
        return fit([image])[0], True
    array = picture_pixels(image)
    if shape is None:
        return array, False
    return fit_image(array, channels=shape[0], size=shape[1:]), array.shape[1:] != shape[1:]


def fitted_array(image: Any, shape: Shape | None) -> NDArray[Any]:
    """Pixels (C, H, W) of an array or tensor (C, H, W), (H, W, C) or (H, W).

    For a colour model, grey pixels are repeated in all channels.

    uint8 and uint16 are kept; floats become float32. Raises InputError for other types, NaN and values outside [0, 1].
    """
    array = array_of(image)
    if array is None:
        raise InputError(f"expected an image, got {type(image).__name__}; give an array, a tensor or a Pillow image")
    if array.dtype not in SCALES and array.dtype.kind != "f":
        raise InputError(f"expected uint8, uint16 or float pixels, got {array.dtype}; {HOW_PIXELS}")
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise InputError(f"expected an image (C, H, W), (H, W, C) or (H, W), got shape {array.shape}; reshape it")
    array = _channels_first(array[None] if array.ndim == 2 else array, shape)
    if array.dtype in SCALES:
        return array
    low, high = float(array.min()), float(array.max())
    if low < 0 or high > 255:
        raise InputError(
            f"expected pixels in [0, 1], got {low:.3g} to {high:.3g}; leave the normalisation out of the transform: it belongs to the "
            "classifier, in front of the model"
        )
    check_pixels(array[None])
    return array.astype(np.float32, copy=False)


def _channels_first(array: NDArray[Any], shape: Shape | None) -> NDArray[Any]:
    if shape is None:
        last = array.shape[2] in (1, 3) and array.shape[0] not in (1, 3)
        if not last and array.shape[0] > min(array.shape[1:]):
            raise InputError(f"expected an image of 1 or 3 channels, got shape {array.shape}; drop an alpha channel")
        return array.transpose(2, 0, 1) if last else array
    for turned in (array, array.transpose(2, 0, 1)):
        if turned.shape == shape:
            return turned
        if turned.shape == (1, *shape[1:]) and shape[0] == 3:
            return np.repeat(turned, 3, axis=0)
    raise InputError(
        f"expected an image of shape {shape} (channels, height, width), or with channels last, got {array.shape}; resize or convert it "
        "(Pillow images are resized for you)"
    )
