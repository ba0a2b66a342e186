"""What a generative recommender is trained on: the objective of a config, its weights fitted to a bank and a data set."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tigerlite.config import InputError
from tigerlite.data.dataset import RecDataset
from tigerlite.data.sequences import item_counts, training_positions
from tigerlite.distributed import is_rank_zero
from tigerlite.encoders.embeddings import ItemEmbeddings
from tigerlite.losses.mixing import ORIGINAL, MultiTarget
from tigerlite.losses.objectives import Weighted
from tigerlite.losses.token_weights.cft import CFT
from tigerlite.losses.token_weights.fitted import (
    TokenWeights,
    described,
    require_every_position,
    spread,
    with_end,
)
from tigerlite.losses.token_weights.frequency import FrequencyConfig, code_counts, fitted_beta, frequency_weights
from tigerlite.losses.token_weights.front_greater import FrontGreaterConfig, disambiguation, front_greater_weights
from tigerlite.losses.token_weights.igd import IGDConfig, igd_calibration, igd_weights, information_gain
from tigerlite.losses.token_weights.position import position_weights
from tigerlite.losses.token_weights.rank import Rank
from tigerlite.stages.objective_config import ObjectiveConfig
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.whitening import Whitening

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BuiltObjective:
    """An objective that is ready for training."""

    module: nn.Module
    """Called with states, targets and a `LossContext`."""
    calibration: Tensor | None
    """(N + 1, L) factors on the log-probabilities of decoding, or None."""


def build_objective(
    config: ObjectiveConfig,
    dataset: RecDataset,
    bank: TokenizerBank,
    embeddings: ItemEmbeddings | None = None,
    *,
    eos: bool = False,
    folder: Path | None = None,
    saved: TokenWeights | None = None,
) -> BuiltObjective | None:
    """The objective, with its weights fitted to the bank's identifiers and the training targets; None for plain.

    Args:
        config: what to build.
        dataset: the training part of its sequences is counted.
        bank: identifiers; each member has weights of its own, fitted as if it were the only one. Rows of the tables are
            member after member, (M * (N + 1), P): a target under member m is row m * (N + 1) + item.
        embeddings: of all items; for front_greater.
        eos: whether labels end with EOS.
        folder: where the fitted weights are written, for people and diagnostics (`TokenWeights.load`).
        saved: weights to take instead of fitting them.

    Raises:
        InputError: if embeddings are missing or do not fit, a level would have no weight, or saved weights are of other
            identifiers.
    """
    if config.method == "plain":
        return None
    targets = target_counts(dataset)
    n_tokens = bank.n_levels + int(eos)
    if saved is None:
        weights = _fit(config, dataset, bank, embeddings, targets, eos)
    else:
        saved.require_bank(bank.fingerprint)
        saved.require_tables(config.weightings, n_tokens)
        weights = saved
    _check(weights, config, targets.repeat(bank.n_members), folder)
    if config.method == "rank":
        return BuiltObjective(Rank(config.rank.temperature), None)
    if config.method == "cft":
        positions = position_weights(n_tokens, config.cft.beta)[None]
        require_every_position({"cft": positions}, targets)
        return BuiltObjective(CFT(positions, config.cft.weight), None)
    if config.method == "multi_target":
        return BuiltObjective(MultiTarget(config.multi_target, weights.tables), None)
    calibration = _calibration(config.igd, bank, targets) if config.method == "igd" else None
    return BuiltObjective(Weighted(weights.tables[config.method]), calibration)


def target_counts(dataset: RecDataset) -> Tensor:
    """(N + 1,) int64, how often each item is a training target; a user's first item never is."""
    positions = training_positions(dataset)[:, 1]
    return torch.from_numpy(np.bincount(dataset.items[positions], minlength=dataset.n_items + 1))


def _check(weights: TokenWeights, config: ObjectiveConfig, targets: Tensor, folder: Path | None) -> None:
    """Check and report the weights; every process has the same, the first one writes them."""
    if folder is not None and weights.tables and is_rank_zero():
        weights.save(folder)
    used = {name: weights.tables[name] for name in config.weightings}
    if used and (config.method != "multi_target" or ORIGINAL not in config.multi_target.targets):
        require_every_position(used, targets)
    _report(weights, used, targets)


def _fit(
    config: ObjectiveConfig,
    dataset: RecDataset,
    bank: TokenizerBank,
    embeddings: ItemEmbeddings | None,
    targets: Tensor,
    eos: bool,
) -> TokenWeights:
    members = [_fit_member(config, dataset, codes[1:].cpu(), embeddings, targets, eos) for codes in bank.codes]
    tables, facts = members[0]
    if bank.n_members > 1:
        n_rows = bank.n_items + 1
        for name in config.weightings:
            tables[name] = torch.cat([member[name].expand(n_rows, -1) for member, _ in members])
    everywhere = targets.repeat(bank.n_members)
    for name in config.weightings:
        facts.setdefault(name, {})["spread"] = described(spread(tables[name], everywhere))
    return TokenWeights({name: table.float() for name, table in tables.items()}, bank.fingerprint, facts)


def _fit_member(
    config: ObjectiveConfig,
    dataset: RecDataset,
    codes: Tensor,
    embeddings: ItemEmbeddings | None,
    targets: Tensor,
    eos: bool,
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tables of one identifier per item, codes (N, L), and what was found."""
    tables: dict[str, Tensor] = {}
    facts: dict[str, Any] = {}
    for name in config.weightings:
        if name == "front_greater":
            table, facts[name] = _front_greater(config.front_greater, codes, embeddings, targets[1:])
            tables[name] = with_end(table, config.eos_weight) if eos else table
        elif name == "frequency":
            table, facts[name] = _frequency(config.frequency, codes, dataset, targets[1:])
            tables[name] = _padded(with_end(table, config.eos_weight) if eos else table)
        elif name == "position":
            tables[name] = position_weights(codes.shape[1] + int(eos), config.position.beta)[None]
        else:
            gain = information_gain(codes, targets[1:], entropy=config.igd.entropy)
            tables[name] = _padded(igd_weights(gain, config.igd.beta, targets=targets[1:], n_ends=int(eos)))
    return tables, facts


def _front_greater(
    config: FrontGreaterConfig, codes: Tensor, embeddings: ItemEmbeddings | None, targets: Tensor
) -> tuple[Tensor, dict[str, Any]]:
    if embeddings is None:
        raise InputError(
            "front_greater weights are fitted from item embeddings and none are given; run the encode stage, or choose "
            "another objective.method"
        )
    rows = torch.from_numpy(embeddings.matrix)
    if config.whiten:
        try:
            rows = Whitening.fit(rows, config.whiten)(rows)
        except InputError:
            raise InputError(
                f"objective.front_greater.whiten={config.whiten} is more than the directions that the embeddings "
                f"({rows.shape[0]} items x {rows.shape[1]} dimensions) span; lower it, or set 0 for none"
            ) from None
    shares = targets if config.items == "popularity" else None
    found = disambiguation(codes, rows, dispersion=config.dispersion, shares=shares)
    weights = front_greater_weights(found, form=config.form, gamma=config.gamma, mu_0=config.mu_0)
    if bool((weights[1:] > weights[:-1] + 1e-6).any()):
        log.info("front_greater: the weights do not fall from level to level: %s", _rounded(weights))
    facts = {"dispersion": found.dispersion.tolist(), "gain": found.gain.tolist(), "weights": weights.tolist()}
    return weights[None], facts


def _frequency(
    config: FrequencyConfig, codes: Tensor, dataset: RecDataset, targets: Tensor
) -> tuple[Tensor, dict[str, Any]]:
    if config.counts == "targets":
        occurrences = targets
    elif config.counts == "occurrences":
        occurrences = torch.from_numpy(item_counts(dataset))[1:]
    else:
        occurrences = torch.ones(len(codes), dtype=torch.int64)
    keys = torch.arange(len(codes))[:, None] if config.per_item else codes
    counts = code_counts(keys, occurrences)
    beta = fitted_beta(keys, counts) if config.beta is None else config.beta
    table = frequency_weights(counts, beta, normalise=config.normalise, targets=targets)
    # One column of weights per item stands for all its codes.
    return table.expand(-1, codes.shape[1]), {"beta": beta, "median_count": float(counts.float().median())}


def _calibration(config: IGDConfig, bank: TokenizerBank, targets: Tensor) -> Tensor | None:
    """Factors (N + 1, L) of decoding with the primary identifiers; no weights of training, so never read from saved ones."""
    if not config.alpha:
        return None
    codes = bank.primary[1:].cpu()
    gain = information_gain(codes, targets[1:], entropy=config.entropy)
    return _padded(igd_calibration(codes, gain, config.alpha))


def _padded(table: Tensor) -> Tensor:
    """(N, P) -> (N + 1, P): the padding item is no target."""
    return torch.nn.functional.pad(table, (0, 0, 1, 0))


def _report(weights: TokenWeights, used: dict[str, Tensor], targets: Tensor) -> None:
    for name, table in used.items():
        found = spread(table, targets)
        if len(table) == 1:
            log.info("%s weights by position: %s", name, _rounded(table[0]))
        log.info(
            "%s weights over %d training targets: std %.3f, mean |w - 1| %.3f, beyond .1 %.1f %%, beyond .25 %.1f %%",
            name,
            int(targets.sum()),
            found.std,
            found.deviation,
            100 * found.beyond_10,
            100 * found.beyond_25,
        )
        if found.inert:
            beta = weights.statistics.get(name, {}).get("beta")
            why = "" if beta is None else f"; with beta={beta:g} most codes are beyond saturation, beta=null fits it"
            log.warning("%s weighting is inert: std %.3f < .05 is plain cross-entropy%s", name, found.std, why)


def _rounded(weights: Tensor) -> str:
    return " ".join(f"{float(weight):.3f}" for weight in weights)
