"""One temperature for all probabilities of a generative recommender, fitted on validation users after training.

A network trained for many epochs on few interactions is too sure of its codes: its cross-entropy on validation rises while its
NDCG does not fall. Dividing the logits by T > 1 leaves the order of the codes of one level alone, as it leaves that of a classic
model's items, but not the order of *items*, whose scores are sums of log-probabilities over levels: a first code that is too
sure shuts out paths whose later codes would have made up for it. T minimises the cross-entropy of the validation targets.

Temperature scaling is that of Guo et al. (arXiv 1706.04599, section 4.2); the papers on semantic identifiers decode at T = 1.

The logits are linear in the output of the decoder's last normalisation, so T is divided into its weights, and nothing that
saves, loads, serves or searches has to know. The part of the copying bonus that reads that state (`copying.py`) is divided too.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from scipy.optimize import minimize_scalar

from tigerlite.config import InputError
from tigerlite.data.sequences import Batch, most_recent
from tigerlite.recommenders.copying import visits_of
from tigerlite.recommenders.generative import GenerativeRecommender

WIDEST = 10.0
"""T is looked for between 1 and WIDEST, or, where it may sharpen, from 1 / WIDEST."""


@dataclass(frozen=True)
class Temperature:
    """What was fitted."""

    temperature: float
    """T; above 1 where the model was too sure."""
    loss_before: float
    """Cross-entropy per item in nats at T = 1, the sum over its codes, mean over targets."""
    loss_after: float
    """The same at T."""
    n_targets: int


@torch.no_grad()
def fit_temperature(model: GenerativeRecommender, batches: Iterable[Batch], *, sharpen: bool = True) -> Temperature:
    """The T that makes the targets of `batches` most likely; the model, in evaluation mode, stays as it is.

    Args:
        model: trained.
        batches: targets and their histories, at least one.
        sharpen: whether T may be below 1.

    Raises:
        InputError: if the model's loss on them is not a number.
    """
    decoded = []
    for batch in batches:
        histories, targets = (
            most_recent(batch.histories, model.config.max_history).to(model.device),
            batch.targets.to(model.device),
        )
        visits = None if model.copying is None else visits_of(histories)
        decoded.append((model.decoder_states(histories, targets), targets, visits))
    n_targets = sum(len(targets) for _, targets, _ in decoded)

    def loss(log_temperature: float) -> float:
        factor = math.exp(-log_temperature)
        parts = [model.code_losses(states * factor, targets, visits).sum() for states, targets, visits in decoded]
        return float(torch.stack(parts).double().sum()) / n_targets

    before = loss(0.0)
    if not math.isfinite(before):
        raise InputError(f"the model's validation loss is {before}; it was not trained, so no temperature fits it")
    bounds = (-math.log(WIDEST) if sharpen else 0.0, math.log(WIDEST))
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-4})
    if found.fun >= before:
        return Temperature(1.0, before, before, n_targets)
    return Temperature(math.exp(found.x), before, float(found.fun), n_targets)


@torch.no_grad()
def apply_temperature(model: GenerativeRecommender, temperature: float) -> None:
    """Divide the model's logits by a temperature, in its weights.

    Raises:
        InputError: if the temperature is not a number > 0.
    """
    if not (math.isfinite(temperature) and temperature > 0):
        raise InputError(f"temperature={temperature} is out of range; allowed: a number > 0")
    model.t5.decoder_norm.weight.div_(temperature)
