"""`final-layer`: the norm of each class's weights in the last layer. Computing this norm takes almost no time."""

from __future__ import annotations

from doldrum.errors import ClassifierError
from doldrum.inspectors.contract.hooks import Inspector, routes_to
from doldrum.inspectors.contract.reading import Reading
from doldrum.inspectors.contract.subject import Subject
from doldrum.lazy import extras

with extras():
    import torch
    from torch.nn import functional as F

__all__ = ["FinalLayer", "last_linear", "row_lengths"]


class FinalLayer(Inspector):
    """The value of the route to class k is 20 log10 |w_k - mean of all rows|, in decibels, where w_k is the row of
    class k in the weights W.

    The last layer computes f(x) = W h(x) + b. A backdoor must give its class the highest score, whatever else is in the
    image. So training makes the weights of the backdoor's class large. The mean row is subtracted because it changes
    all scores equally. An attacker who trains the model can hide the large weights. An attacker who only poisons the
    data rarely succeeds in hiding the large weights.

    Source: Yu et al. 2026, arXiv 2605.18907 (DFBScanner: outlying final-layer weights of the target class); Fields et al. 2021, arXiv 2109.02836.
    """

    name = "final-layer"
    title = "unusually large weights of a class in the last layer"
    needs = "weights"
    paper = "Yu et al. 2026, arXiv 2605.18907"
    weight = 0.01

    def examine(self, subject: Subject) -> Reading:
        assert subject.module is not None
        layer = last_linear(subject.module, torch.from_numpy(subject.search[:4]))
        values = row_lengths(layer.weight.detach())
        subject.advance(self.weight)
        return Reading(self.name, {r: float(values[k]) for k, r in enumerate(routes_to(subject.num_classes))})


def row_lengths(weight: torch.Tensor) -> torch.Tensor:
    """Calculate 20 log10 |w_k - mean row| for each row w_k of the weights (K, D). The K results are at least -120.

    >>> row_lengths(torch.tensor([[10.0, 0.0], [-10.0, 0.0]])).tolist()
    [20.0, 20.0]
    """
    weight = weight.double()
    return 20 * torch.log10((weight - weight.mean(0)).norm(dim=1).clamp(min=1e-6))


@torch.no_grad()
def last_linear(module: torch.nn.Module, images: torch.Tensor) -> torch.nn.Linear:
    """Find the last nn.Linear layer: the layer whose output, or the softmax of this output, is the model's scores.

    Raises ClassifierError if the model has no such layer.
    """
    outputs: dict[torch.nn.Linear, torch.Tensor] = {}

    def note(layer: torch.nn.Module, inward: object, outward: torch.Tensor) -> None:
        outputs[layer] = outward  # type: ignore[index]

    linears = [m for m in module.modules() if isinstance(m, torch.nn.Linear)]
    hooks = [m.register_forward_hook(note) for m in linears]
    try:
        scores = module(images)
    finally:
        for hook in hooks:
            hook.remove()
    for layer, out in reversed(outputs.items()):
        forms = (out, F.softmax(out, -1), F.log_softmax(out, -1))
        if out.shape == scores.shape and any(torch.allclose(form, scores, atol=1e-5) for form in forms):
            return layer
    raise ClassifierError(
        "final-layer needs a last layer that is linear; the scores of this model come from something else"
    )
