"""Find out what a pickle would call, by reading its opcodes without running them.

Source: Lib/pickletools.py; torch/_weights_only_unpickler.py for what a state dict is made of.
"""

from __future__ import annotations

import importlib
import io
import pickle
import pickletools
from collections.abc import Iterator
from typing import Any

from doldrum.intake import visible

__all__ = ["OLD_TORCH", "callables_in", "is_state_dict", "missing_class"]

_STORAGES = [
    "Float",
    "Double",
    "Half",
    "BFloat16",
    "Long",
    "Int",
    "Short",
    "Char",
    "Byte",
    "Bool",
    "Untyped",
    "Float8_e4m3fn",
    "Float8_e5m2",
]
_STATE_DICT = frozenset(
    ["collections.OrderedDict", "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_parameter", "torch.Size"]
    + [f"torch.{name}Storage" for name in _STORAGES]
    + [f"torch.storage.{name}Storage" for name in ("Untyped", "Typed")]
)
_OTHER_WAYS = {"INST", "OBJ", "EXT1", "EXT2", "EXT4", "PERSID", "NEXT_BUFFER", "READONLY_BUFFER", "NEWOBJ_EX"}
OLD_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""The first bytes of files that torch saved before release 1.6, which introduced its zip format. These bytes are a
pickled number."""
_PICKLES = 5  # in such a file: this number, a version, sizes of types, the object, keys; then come the values
_MOST_OPCODES = 5_000_000
UNKNOWN = "something that can't be determined"


def callables_in(data: bytes) -> list[str]:
    """The dotted names that a pickle would look up, in order and without repetition. Names that the pickle hides are `UNKNOWN`.

    Five pickles one after another, as in torch's files from before its zip format, are read as one.

    >>> import pickle
    >>> callables_in(pickle.dumps(len))
    ['builtins.len']
    """
    names: dict[str, None] = {}
    strings: list[str] = []  # as many as a STACK_GLOBAL needs
    memo: dict[int, str] = {}
    last: str | None = None
    try:
        for count, (opcode, argument, _) in enumerate(_opcodes(data)):
            name = opcode.name
            if count > _MOST_OPCODES:
                names[UNKNOWN] = None
                break
            if name in ("MEMOIZE", "BINPUT", "LONG_BINPUT", "PUT"):
                if last is not None:
                    memo[len(memo) if name == "MEMOIZE" else int(argument or 0)] = last
                elif name == "MEMOIZE":
                    memo[len(memo)] = UNKNOWN
                continue
            last = None
            if name in ("GLOBAL", "INST"):
                names[str(argument).replace(" ", ".", 1)] = None
            elif name == "STACK_GLOBAL":
                names[".".join(strings[-2:]) if len(strings) >= 2 else UNKNOWN] = None
            elif name in ("BINGET", "LONG_BINGET", "GET"):
                strings = [*strings[-1:], memo.get(int(argument or 0), UNKNOWN)]
            elif isinstance(argument, str):
                last = argument
                strings = [*strings[-1:], argument]
            if name in _OTHER_WAYS:
                names[UNKNOWN] = None
    except Exception:  # a broken pickle raises anything
        names[UNKNOWN] = None
    return [visible(name, most=80) for name in names]


def _opcodes(data: bytes) -> Iterator[tuple[pickletools.OpcodeInfo, Any, int | None]]:
    stream = io.BytesIO(data)
    for _ in range(_PICKLES):
        yield from pickletools.genops(stream)
        if data[stream.tell() : stream.tell() + 1] != pickle.PROTO:
            break


def is_state_dict(data: bytes) -> bool:
    """Whether a pickle builds only tensors in dicts, like a state dict from torch.save.

    >>> import pickle
    >>> is_state_dict(pickle.dumps({"a": 1.0})), is_state_dict(pickle.dumps(print))
    (True, False)
    """
    return set(callables_in(data)) <= _STATE_DICT


def missing_class(data: bytes) -> tuple[str, str] | None:
    r"""The (module, name) of the first object that a pickle needs and that can't be imported; None if all can be.

    This function imports the modules that the pickle names, so use it only for trusted pickles.

    >>> import pickle
    >>> missing_class(pickle.dumps(len)) is None, missing_class(b"ctrain\nNet\n.")
    (True, ('train', 'Net'))
    """
    for dotted in callables_in(data):
        module, _, name = dotted.rpartition(".")
        if not module:
            continue
        try:
            found = importlib.import_module(module)
        except Exception:  # importing runs code, which raises what it likes
            return module, name
        if not hasattr(found, name):
            return module, name
    return None
