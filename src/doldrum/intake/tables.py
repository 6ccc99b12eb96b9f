"""Read Parquet tables of encoded images, as the library `datasets` writes them, a few rows at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any

from doldrum.errors import InputError
from doldrum.intake.base import ImageLimits, Picture, Skipped
from doldrum.intake.members import picture_or_why
from doldrum.intake.streams import Budget
from doldrum.intake.text import visible

__all__ = ["parquet_class_names", "parquet_pictures"]

_ROWS = 16
_IMAGE_NAMES = ("image", "img", "picture", "bytes", "jpg", "png")
_LABEL_NAMES = ("label", "labels", "fine_label", "target", "cls", "class")
_METADATA = 16 << 20  # bytes of column names and statistics; also of the names of classes
_GROUP = 16  # times the bytes of one image: the images of a group of rows, which are unpacked together at worst


def parquet_pictures(file: IO[bytes], budget: Budget, limits: ImageLimits) -> Iterator[Picture | Skipped]:
    """The images in a column of type struct{bytes, path}, or in a column of plain bytes.

    The label is the class name if the table has names, else the class number.

    A row that contains a file name instead of bytes is skipped, and its file is not opened. Raises InputError for a
    table without a column of images, and for a table with groups of rows whose unpacked size is above the limits.
    """
    table = _open(file, limits)
    schema = table.schema_arrow
    image, nested = _image_column(schema)
    label = next((n for n in _LABEL_NAMES if n in schema.names and _is_label(schema.field(n).type)), None)
    names = _class_names(schema, label)
    _check_groups(table.metadata, limits)
    columns = [*([f"{image}.bytes", f"{image}.path"] if nested else [image]), *([label] if label else [])]
    row = 0
    for batch in table.iter_batches(batch_size=_ROWS, columns=columns, use_threads=False):
        values, labels = batch.column(image), None if label is None else batch.column(label)
        for i in range(batch.num_rows):
            data, path = _cell(values, i, nested, limits)
            name = f"{row:06}" + (f" {path}" if path else "")
            row += 1
            if isinstance(data, str):
                yield Skipped(visible(name), data)
                continue
            budget.take(len(data))
            of = None if labels is None else _label(labels[i].as_py(), names)
            yield picture_or_why(name, data, label=of, limits=limits)


def parquet_class_names(file: IO[bytes], limits: ImageLimits) -> tuple[str, ...]:
    """The class names in the order of the class numbers, if the table's metadata has them; else ()."""
    schema = _open(file, limits).schema_arrow
    return _class_names(schema, next((n for n in _LABEL_NAMES if n in schema.names), None))


def _open(file: IO[bytes], limits: ImageLimits) -> Any:
    import pyarrow.parquet as pq

    end = file.seek(0, 2)
    file.seek(max(0, end - 8))
    tail = file.read(8)
    if tail[4:] != b"PAR1":
        raise InputError("expected a whole Parquet file, got one without its end; get the file again")
    if (size := int.from_bytes(tail[:4], "little")) > min(end, _METADATA):
        raise InputError(
            f"expected a Parquet footer of at most {min(end, _METADATA)} bytes, got {size}; get the file again"
        )
    file.seek(0)
    try:
        return pq.ParquetFile(
            file, thrift_string_size_limit=_METADATA, thrift_container_size_limit=1 << 20, pre_buffer=False
        )
    except Exception as error:  # damaged footers raise what they like
        raise InputError(f"expected a whole Parquet file, got {visible(str(error))}; get the file again") from error


def _image_column(schema: Any) -> tuple[str, bool]:
    import pyarrow.types as kinds

    fields = {field.name: field.type for field in schema}
    ordered = [*(n for n in _IMAGE_NAMES if n in fields), *(n for n in fields if n not in _IMAGE_NAMES)]
    for name in ordered:
        kind = fields[name]
        if kinds.is_struct(kind):
            inner = {kind.field(i).name: kind.field(i).type for i in range(kind.num_fields)}
            if _is_bytes(inner.get("bytes")):
                return name, True
    for name in ordered:
        if _is_bytes(fields[name]):
            return name, False
    listed = ", ".join(visible(f"{n}: {t}", most=60) for n, t in list(fields.items())[:5]) or "none"
    raise InputError(f"expected a column of encoded images (bytes, or struct of bytes and path), got {listed}")


def _is_bytes(kind: Any) -> bool:
    import pyarrow.types as kinds

    return kind is not None and (kinds.is_binary(kind) or kinds.is_large_binary(kind))


def _is_label(kind: Any) -> bool:
    import pyarrow.types as kinds

    return kinds.is_integer(kind) or kinds.is_string(kind) or kinds.is_large_string(kind)


def _check_groups(metadata: Any, limits: ImageLimits) -> None:
    # Only the sums: asking for one column's figures ends the process where they are damaged (pyarrow 26).
    most = limits.member_bytes * _GROUP
    for group in range(metadata.num_row_groups):
        if (size := metadata.row_group(group).total_byte_size) > most:
            raise InputError(
                f"expected groups of rows of at most {most} bytes, got a group of {size} bytes; write smaller groups"
            )


def _cell(values: Any, i: int, nested: bool, limits: ImageLimits) -> tuple[bytes | str, str]:
    """The image bytes of a row (or the reason why the row has none), and the file name in the row."""
    data, path = values[i], ""
    if nested:
        if not data.is_valid:
            return "expected an image, got an empty row; leave out this row", ""
        path = data["path"].as_py() if values.type.get_field_index("path") >= 0 else ""
        path = path if isinstance(path, str) else ""
        data = data["bytes"]
    if not data.is_valid:
        if path:
            return "expected an image, got the name of a file elsewhere, which is not opened; embed the bytes", path
        return "expected an image, got an empty row; leave out this row", path
    buffer = data.as_buffer()
    if buffer.size > limits.member_bytes:
        return f"expected at most {limits.member_bytes} bytes, got {buffer.size}; make the file smaller", path
    return buffer.to_pybytes(), path


def _label(value: int | str | None, names: Sequence[str]) -> str | None:
    if isinstance(value, int):
        return names[value] if 0 <= value < len(names) else str(value)
    return None if value is None else visible(value)


def _class_names(schema: Any, label: str | None) -> tuple[str, ...]:
    """The class names in the metadata that the library `datasets` writes (key "huggingface" of the schema's metadata)."""
    found = (schema.metadata or {}).get(b"huggingface", b"")
    if label is None or not found or len(found) > _METADATA:
        return ()
    try:
        said: Any = json.loads(found)
        for key in ("info", "features", label, "names"):
            said = said.get(key) if isinstance(said, Mapping) else None
    except (ValueError, RecursionError):
        return ()
    if isinstance(said, list) and all(isinstance(name, str) for name in said):
        return tuple(visible(name) for name in said)
    return ()
