"""open_model: the function that opens somebody else's file as a Classifier."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from doldrum.classifiers.base import Outputs
from doldrum.errors import InputError, check_memory_left, missing_extra
from doldrum.intake import visible
from doldrum.suspects.base import Preprocessing, Suspect, class_names_of, tried
from doldrum.suspects.endpoint import Endpoint, EndpointClassifier
from doldrum.suspects.kinds import model_kind, refused

if TYPE_CHECKING:
    from torch import nn

__all__ = ["open_model"]


def open_model(
    path: str | os.PathLike[str] | Endpoint,
    *,
    arch: str | None = None,
    trust_code: bool = False,
    trust_pickle: bool = False,
    outputs: Outputs | None = None,
    output: str | None = None,
    preprocessing: Preprocessing | None = None,
    num_classes: int | None = None,
) -> Suspect:
    """Open a model that somebody else made, without running code that comes with it.

    The kind of a file is found from its bytes, and the file is checked before a library reads it. Call `open_model` inside
    :func:`doldrum.sandbox.run_confined`, because the libraries that read these formats may have bugs.

    Parameters
    ----------
    path
        The model: a file, a folder or an address. A file may be ONNX (weights may be in files next to it), OpenVINO
        .xml (next to its .bin), TensorFlow Lite, a scikit-learn pipeline saved by skops, safetensors or a torch state
        dict. Safetensors files and state dicts need `arch`, unless doldrum saved them. A folder must be a Hugging Face
        folder with an image classifier. An address must be http(s)://... or an `Endpoint`.
    arch
        The architecture of a state dict: a name that doldrum knows, "timm/NAME" or, with `trust_code`,
        "package.module:function". The function gets `input_shape=` and `num_classes=` if it has parameters with these
        names.
    trust_code
        Run code that comes with the model: `arch` as a function, TorchScript, or a .pt2 file of torch.export.
    trust_pickle
        Load pickles, which run any code that their author wrote.
    outputs
        "logits", "probabilities" or "labels". By default, the kind of output is found from the model.
    output
        The name of the output to use, if an ONNX, OpenVINO or TensorFlow Lite file has several. By default, the output
        whose shape or name fits class scores is used, and a note says so.
    preprocessing
        How images become the model's input. By default, the preprocessing is read from the model's own files. If the
        files do not state it, it is derived from the shapes in these files, and a note says so.
    num_classes
        The number of classes, which is needed if the model doesn't determine it.

    Returns
    -------
    Suspect
        The opened model, whose classifier has been run on two plain images, and returned finite scores.

    Raises
    ------
    InputError
        Raised if the file is broken or refused, or if settings that the file needs are missing. The message says what
        the file is, and what to do.
    ClassifierError
        Raised if the model is no image classifier, or returns scores that are not finite.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder) / "model.onnx"
    ...     _ = file.write_bytes(b"#!/bin/sh\\n")
    ...     try: open_model(file)
    ...     except InputError as error: print(str(error).replace(folder, ""))
    expected a model as ONNX, OpenVINO, TensorFlow Lite or safetensors, got a script in /model.onnx; do not trust the source of this file
    """
    if isinstance(path, Endpoint) or str(path).startswith(("http://", "https://")):
        endpoint = path if isinstance(path, Endpoint) else Endpoint(url=str(path))
        _refuse_unused("a model at an address", "endpoint", arch=arch, output=output)
        return _endpoint(endpoint, preprocessing, num_classes, outputs)
    shown, kind = visible(path), model_kind(path)
    _refuse_unused(shown, kind, arch=arch, output=output)
    if kind == "onnx":
        from doldrum.suspects.onnx_model import open_onnx

        suspect = open_onnx(path, preprocessing=preprocessing, outputs=outputs, output=output, num_classes=num_classes)
    elif kind in ("openvino", "tflite"):
        from doldrum.suspects.openvino_model import open_openvino

        suspect = open_openvino(
            path, kind=kind, preprocessing=preprocessing, outputs=outputs, output=output, num_classes=num_classes
        )
    elif kind == "skops":
        from doldrum.suspects.sklearn_model import open_skops

        suspect = open_skops(path, preprocessing=preprocessing, outputs=outputs)
    else:
        try:
            import torch  # noqa: F401
        except ImportError as error:
            raise missing_extra("torch", "torch", error) from error
        suspect = _torch(
            path, kind, arch=arch, trust_code=trust_code, trust_pickle=trust_pickle, outputs=outputs,
            preprocessing=preprocessing, num_classes=num_classes,
        )  # fmt: skip
    if num_classes is not None and suspect.classifier.num_classes != num_classes:
        got = suspect.classifier.num_classes
        raise InputError(
            f"expected a model with {num_classes} classes, as num_classes= says, got a model with {got} classes in {shown}; leave num_classes= out"
        )
    if suspect.format == "pickle":  # what is in one is known when it is loaded
        _refuse_unused(shown, "pickled model", arch=arch)
    if outputs is not None and suspect.classifier.outputs != outputs:
        raise InputError(
            f"expected a model that gives {outputs}, as outputs= says, got a model in {shown} that gives only {suspect.classifier.outputs}; leave outputs= out"
        )
    tried(suspect.classifier, path=shown)
    return suspect


_WEIGHTS = ("safetensors", "torch", "pickle")  # which a network has to be known for
_GRAPHS = ("onnx", "openvino", "tflite")  # whose outputs have names


def _refuse_unused(shown: str, kind: str, *, arch: str | None = None, output: str | None = None) -> None:
    """Raise InputError for an option that this kind of model does not use, because the option was meant for another
    kind of file."""
    if arch is not None and kind not in _WEIGHTS:
        raise InputError(
            f"expected no arch= for {shown} ({kind}), because only files of weights need an architecture, got '{visible(arch, most=60)}'; leave arch= out"
        )
    if output is not None and kind not in _GRAPHS:
        raise InputError(
            f"expected no output= for {shown} ({kind}), because its outputs have no names, got '{visible(output, most=60)}'; leave output= out"
        )


def _endpoint(
    endpoint: Endpoint, preprocessing: Preprocessing | None, num_classes: int | None, outputs: Outputs | None
) -> Suspect:
    if preprocessing is None or num_classes is None:
        raise InputError(
            "expected the size of images and the number of classes for an endpoint, got none; pass size= and num_classes="
        )
    if preprocessing.normalises:
        raise InputError(
            "expected plain pixels for an endpoint, which normalises them itself, got mean, std or bgr; leave out these options"
        )
    classifier = EndpointClassifier(
        endpoint, input_shape=preprocessing.input_shape, num_classes=num_classes, outputs=outputs or "labels"
    )
    notes = ["the model at the address can change at any time, so two runs may differ"]
    if endpoint.body == "png":
        notes.append("images were sent as 8-bit PNG: noisy copies are clipped to [0, 1] and rounded")
    tried(classifier, path=classifier.fingerprint)
    return Suspect(classifier=classifier, format="endpoint", preprocessing=preprocessing, notes=tuple(notes))


def _torch(
    path: str | os.PathLike[str],
    kind: str,
    *,
    arch: str | None,
    trust_code: bool,
    trust_pickle: bool,
    outputs: Outputs | None,
    preprocessing: Preprocessing | None,
    num_classes: int | None,
) -> Suspect:
    from doldrum.suspects.modules import module_classifier
    from doldrum.suspects.tensors import read_safetensors

    shown, notes, names = visible(path), [], None
    format = kind
    module: nn.Module | None = None
    if kind == "huggingface":
        from doldrum.suspects.huggingface import open_folder

        module, preprocessing, names, notes = open_folder(path, preprocessing=preprocessing)
    elif kind in ("torchscript", "pt2"):
        module = _code(path, kind, trust_code, shown)
    elif kind == "safetensors":
        tensors, metadata = read_safetensors(path)
        module, preprocessing, names, more = _weights(
            tensors, metadata, arch, preprocessing, num_classes, trust_code, shown
        )
        notes += more
    else:
        found = _pickled(path, kind, trust_pickle, shown)
        if isinstance(found, dict):
            format = "state dict"
            module, preprocessing, _, more = _weights(found, {}, arch, preprocessing, num_classes, trust_code, shown)
            notes += more
        elif hasattr(found, "modules") and hasattr(found, "forward"):
            module, format = found, "pickle"
        else:
            from doldrum.suspects.sklearn_model import estimator_suspect

            return estimator_suspect(found, path, format="pickle", preprocessing=preprocessing, outputs=outputs)
    assert module is not None
    if preprocessing is None:
        raise InputError(f"expected the size of images for {shown}, got none; pass size=")
    classifier = module_classifier(module, preprocessing, num_classes=num_classes, outputs=outputs, shown=shown)
    return Suspect(
        classifier=classifier,
        format=format,
        preprocessing=preprocessing,
        class_names=class_names_of(names, classifier.num_classes),
        notes=(*notes, *classifier.notes),
    )


def _weights(
    tensors: Mapping[str, Any],
    metadata: Mapping[str, str],
    arch: str | None,
    preprocessing: Preprocessing | None,
    num_classes: int | None,
    trust_code: bool,
    shown: str,
) -> tuple[nn.Module, Preprocessing | None, tuple[str, ...] | None, list[str]]:
    from doldrum.suspects.weights import our_metadata, with_weights

    notes: list[str] = []
    ours = our_metadata(metadata, shown)
    if ours is not None and arch in (None, ours["network"]):
        shape = ours["input_shape"]
        module, _, _ = with_weights(
            tensors, ours["network"], input_shape=shape, num_classes=ours["num_classes"], trust_code=False, shown=shown
        )
        # its first layer normalises
        plain = Preprocessing(size=shape[1:], channels="grey" if shape[0] == 1 else "rgb")
        if shape[0] not in (1, 3):
            raise InputError(
                f"expected a model of 1 or 3 channels, got {shape[0]} in {shown}; it is not a model of pictures"
            )
        if preprocessing not in (None, plain):
            told = f"{shape[0]} x {shape[1]} x {shape[2]} pixels in [0, 1]"
            raise InputError(
                f"expected the doldrum checkpoint {shown} to be opened as it was trained, on {told}, got other preprocessing; leave "
                "size=, channels=, mean=, std= and scale= out"
            )
        return module, plain, ours["class_names"], notes
    if arch is None:
        raise InputError(
            f"expected the architecture of the weights in {shown}, got none; pass arch= (a name, timm/NAME or package.module:function)"
        )
    shape = preprocessing.input_shape if preprocessing is not None else None
    module, usual, prefix = with_weights(
        tensors, arch, input_shape=shape, num_classes=num_classes, trust_code=trust_code, shown=shown
    )
    if prefix:
        notes.append(f"the names of all weights begin with '{visible(prefix, most=80)}', which was removed")
    if usual is not None and preprocessing is not None and not preprocessing.normalises:
        preprocessing = replace(usual, size=preprocessing.size)
        notes.append(
            "mean and std are the usual values for the architecture; pass mean= and std= if the model was trained with other values"
        )
    elif preprocessing is not None and not preprocessing.normalises:
        notes.append(
            "a file of weights doesn't say how images are normalised; pixels were passed in [0, 1] to the network, which may normalise them itself"
        )
    return module, preprocessing, None, notes


def _code(path: str | os.PathLike[str], kind: str, trust_code: bool, shown: str) -> nn.Module:
    """Load a TorchScript or torch.export program, if code is trusted. Reading a TorchScript or torch.export program can
    also load pickles."""
    if not trust_code:
        what = "a TorchScript program" if kind == "torchscript" else "a torch.export program (.pt2)"
        advice = "ask for an ONNX file, or pass trust_code=True if you trust programs from the same source"
        raise refused(what, shown, advice)
    import warnings

    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if kind == "torchscript":
                return torch.jit.load(str(path), map_location="cpu")
            return torch.export.load(str(path)).module()
    except Exception as error:  # a broken file raises many unrelated types
        check_memory_left(error)
        why = visible(str(error).strip().partition("\n")[0], most=200)
        raise InputError(
            f"expected a TorchScript or torch.export program, got {shown}, which can't be read ({why}); the file is broken"
        ) from error


def _pickled(path: str | os.PathLike[str], kind: str, trust_pickle: bool, shown: str) -> Any:
    """Read a state dict from a pickle. If `trust_pickle` is set, also load pickles with other objects than a state
    dict."""
    from doldrum.suspects.pickles import OLD_TORCH
    from doldrum.suspects.tensors import pickle_broken, pickle_refused, read_state_dict, tensors_of

    if not trust_pickle:
        with open(path, "rb") as file:
            head = file.read(1 << 20)
        if kind == "torch" or head.startswith(OLD_TORCH):
            return read_state_dict(path)
        raise pickle_refused(head, shown)
    import torch

    try:
        found = torch.load(str(path), map_location="cpu", weights_only=False)
    except Exception as first:
        check_memory_left(first)
        import pickle

        try:
            with open(path, "rb") as file:
                found = pickle.load(file)
        except Exception as error:  # trusted, but broken, or without what it was made of
            check_memory_left(error)
            raise pickle_broken(path, kind, first, shown) from error
        if isinstance(found, int):  # torch's files before its zip begin with one
            raise pickle_broken(path, kind, first, shown) from first
    return tensors_of(found, shown) if isinstance(found, dict) else found
