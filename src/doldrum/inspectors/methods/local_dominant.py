"""`local-dominant`: the class that noise leads images to, with labels only.

The function `certified_size` says which attacks this inspector certainly finds.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from doldrum.errors import InputError
from doldrum.inspectors.contract.hooks import Inspector
from doldrum.inspectors.contract.reading import Reading
from doldrum.inspectors.contract.subject import Subject
from doldrum.inspectors.methods.shares import answered, gaussian, log_odds, shares_to, values_of

__all__ = ["LocalDominant", "certified_size"]

_IMAGES, _DRAWS = 200, 5


class LocalDominant(Inspector):
    """The value of the route to class k is the log odds of the local probability P_k, measured with noise of sigma =
    .6.

    P_k is the mean of P(f(x + sigma e) = k) over classes c != k and images x of class c. The noise e is standard
    normal. P_k is estimated from up to 200 images, with 5 noise draws for each image. The published method (CBD) uses
    the class with the largest P_k. This inspector compares each class with the same class in clean models.

    Source: Xiang, Xiong, Li 2023, "CBD", NeurIPS, arXiv 2310.17498, section 3.1.
    """

    name = "local-dominant"
    title = "the class that noise leads the model to"
    needs = "labels"
    paper = "Xiang et al. 2023, CBD, arXiv 2310.17498"
    weight = 0.05
    sigma = 0.6

    def most_queries(self, images: int) -> int:
        return _DRAWS * min(images, _IMAGES)

    def examine(self, subject: Subject) -> Reading:
        images, before = subject.search[:_IMAGES], subject.labels[:_IMAGES]
        after = answered(subject.classifier, gaussian(images, self.sigma, _DRAWS, subject.rng(self.name)))
        share = shares_to(np.tile(before, _DRAWS), after, subject.num_classes)
        subject.advance(self.weight)
        return Reading(self.name, values_of(log_odds(share)))


def certified_size(threshold: float, robustness: float, *, sigma: float = LocalDominant.sigma) -> float:
    """Certify a trigger size: if an attack's trigger to class k has an L2 size below the result, then P_k is certainly
    above `threshold`.

    The certified size is sigma (Phi^-1(pi) - Phi^-1(S)), where Phi is the standard normal distribution function. S is
    the threshold on P_k, taken from clean models. The number pi is the attack's robustness to noise: every triggered
    image x' has P(f(x' + sigma e) = k) >= pi. Let x be the same image without the trigger. By the lemma of Neyman and
    Pearson, P(f(x + sigma e) = k) >= Phi(Phi^-1(pi) - |x' - x| / sigma). P_k is the mean of P(f(x + sigma e) = k) over
    images. So P_k is above S if |x' - x| is below the certified size for all images. This proof is about the true P_k,
    whereas the inspector only estimates P_k from draws. If no size can be certified, the result is 0.

    Source: Xiang, Xiong, Li 2023, arXiv 2310.17498, theorem 3.3; Cohen et al. 2019, arXiv 1902.02918, lemma 4.

    Raises InputError for a threshold or robustness outside (0, 1), or a sigma that is not above 0.

    >>> round(certified_size(0.3, 0.9, sigma=0.5), 3)
    0.903
    """
    for name, value in (("threshold", threshold), ("robustness", robustness)):
        if not 0 < value < 1:
            raise InputError(f"expected the probability {name} in (0, 1), got {value}; pass a number between 0 and 1")
    if not sigma > 0:
        raise InputError(f"expected sigma above 0, got {sigma}; it is the strength of the noise")
    return max(0.0, sigma * float(ndtri(robustness) - ndtri(threshold)))
