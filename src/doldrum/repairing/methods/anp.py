"""`anp`: prune the channels that react most to small changes of their weights."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F

from doldrum.errors import ClassifierError
from doldrum.gradients.trainable import Trainable
from doldrum.repairing.contract import RepairMethod, Task
from doldrum.repairing.recipe import TUNING, for_task
from doldrum.training.evaluate import accuracy
from doldrum.training.hooks import TrainingHook

__all__ = ["Anp", "Masked"]

_LEVELS = tuple(round(0.05 * i, 2) for i in range(1, 20))


@dataclass(frozen=True)
class Anp(RepairMethod):
    """Learn one mask value for each channel, so that the loss stays low even under the worst change of the weights.
    Then prune the channels with low mask values.

    The mask has one factor m per channel, which multiplies the channel's weight w. The training looks for the factors
    in [0, 1] that make this sum as small as possible:

        a L(m w) + (1 - a) max over |d| <= eps of L((m + d) w)

    Here L(v) is the loss of the model with weights v, d is a change of the mask, and a is `share`. In the loss under
    the worst change, the bias of each channel is also multiplied by 1 plus a change of at most eps. Channels with m at
    or below a level are pruned. The level is the highest of 19 possible levels at which pruning lowers the accuracy by
    at most `most`.

    Source: Wu and Wang 2021, "Adversarial Neuron Pruning", arXiv 2110.14430, equation 4 and algorithm 1; the authors' code for the changes of biases.
    """

    lr: float = 0.2
    steps: int = 400
    eps: float = 0.4
    share: float = 0.2
    """The weight a of the loss without a change of the mask; the loss under the worst change has the weight 1 - a."""
    most: float = 0.03
    """The largest loss of accuracy on the clean images that pruning may cause."""

    name = "anp"
    title = "pruning channels that are sensitive to small changes of their weights"
    paper = "Wu & Wang 2021, arXiv 2110.14430"

    def repair(self, task: Task) -> None:
        masked = Masked(task.model)
        per_epoch = max(1, len(task.data) // min(TUNING.batch_size, len(task.data)))
        recipe = for_task(
            task, lr=self.lr, epochs=self.steps / per_epoch, schedule="constant", warmup=0.0, momentum=0.9, weight_decay=0.0
        )  # fmt: skip
        task.tune(recipe, stage=self.name, model=masked, hook=_Adversary(self.eps, self.share))
        before = accuracy(task.model, task.data)
        kept = [p.detach().clone() for p in masked.weights]
        best = 0.0
        for level in _LEVELS:
            masked.prune(level)
            if accuracy(task.model, task.data) < before - self.most:
                break
            best = level
        with torch.no_grad():
            for weight, value in zip(masked.weights, kept, strict=True):
                weight.copy_(value)
        masked.prune(best)


class Masked(nn.Module):
    """A model whose channel weights are multiplied by masks. Only the masks are trained.

    While a training step searches for the worst change, `change` is added to the masks.
    """

    def __init__(self, model: Trainable) -> None:
        super().__init__()
        self.inner = [model]  # no part: its weights are not trained, and not written into resume files
        names = dict(model.named_parameters())
        self.names = model.channels()
        if not self.names:
            raise ClassifierError(
                "expected a model with channels to prune, got a model without such channels; use another method, such as unlearn or fine-tune"
            )
        self.weights = [names[weight] for weight, _ in self.names]
        self.biases = [names.get(bias) for _, bias in self.names]
        self.masks = nn.ParameterList([nn.Parameter(torch.ones(len(w))) for w in self.weights])
        self.change: list[tuple[torch.Tensor, torch.Tensor]] | None = None

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        made: dict[str, torch.Tensor] = {}
        for i, ((name, of), weight, bias) in enumerate(zip(self.names, self.weights, self.biases, strict=True)):
            of_weight, of_bias = self.change[i] if self.change else (0.0, 0.0)
            factor = self.masks[i] + of_weight
            made[name] = weight.detach() * factor.reshape(-1, *[1] * (weight.ndim - 1))
            if bias is not None:
                made[of] = bias.detach() * (1 + of_bias)
        return functional_call(self.inner[0], made, (images,))

    def train(self, mode: bool = True) -> Masked:
        """Set the training mode of this wrapper only. The wrapped model stays in evaluation mode, so its batch
        statistics do not change.
        """
        self.training = mode
        return self

    def prune(self, level: float) -> None:
        """Set the weights of channels whose mask is at most `level` to 0."""
        with torch.no_grad():
            for mask, weight in zip(self.masks, self.weights, strict=True):
                weight[mask <= level] = 0


class _Adversary(TrainingHook):
    """Applies the worst change of the masks within eps before the training loop computes the gradient.

    The change is found by one signed gradient step from a random start. Afterwards, the gradient with the change and
    the gradient without a change are averaged, with weights 1 - a and a.
    """

    def __init__(self, eps: float, share: float) -> None:
        self.eps, self.share, self.name = eps, share, f"anp {eps:g} {share:g}"

    def on_batch(
        self, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator, model: nn.Module
    ) -> tuple[torch.Tensor, torch.Tensor]:
        assert isinstance(model, Masked)
        _clip(model)
        flat: list[torch.Tensor] = []
        for weight in model.weights:
            for _ in range(2):
                start = torch.rand(len(weight), generator=generator).to(weight.device)
                flat.append(((2 * start - 1) * self.eps).requires_grad_())
        model.change = list(zip(flat[::2], flat[1::2], strict=True))
        gradients = torch.autograd.grad(F.cross_entropy(model(images), labels), flat, allow_unused=True)
        moved = [
            (d.detach() + self.eps * g.sign()).clamp(-self.eps, self.eps) if g is not None else d.detach()
            for d, g in zip(flat, gradients, strict=True)
        ]
        model.change = list(zip(moved[::2], moved[1::2], strict=True))
        return images, labels

    def on_gradients(self, images: torch.Tensor, labels: torch.Tensor, model: nn.Module) -> None:
        assert isinstance(model, Masked)
        model.change = None
        plain = torch.autograd.grad(F.cross_entropy(model(images), labels), list(model.masks))
        for mask, gradient in zip(model.masks, plain, strict=True):
            assert mask.grad is not None
            mask.grad.mul_(1 - self.share).add_(gradient, alpha=self.share)

    def on_epoch_end(self, epoch: int, model: nn.Module) -> None:
        assert isinstance(model, Masked)
        _clip(model)


def _clip(model: Masked) -> None:
    with torch.no_grad():
        for mask in model.masks:
            mask.clamp_(0, 1)
