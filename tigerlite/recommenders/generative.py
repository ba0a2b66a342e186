"""What every recommender shares that writes identifiers code by code: a T5, losses of target codes, search over the trie.

A member says how a history becomes the encoder's states (`encode`) and what a batch costs (`training_losses`). Decoder:
start token (pad), then the target's codes by teacher forcing; labels are the target's codes (and EOS with `eos=True`).
"""

from abc import abstractmethod
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from tigerlite.config import InputError
from tigerlite.data.sequences import Batch, most_recent
from tigerlite.losses.mixing import MultiTarget
from tigerlite.losses.objectives import LossContext
from tigerlite.optim import SeparateGroup
from tigerlite.recommenders.base import Recommendations
from tigerlite.recommenders.beam_search import beam_search
from tigerlite.recommenders.calibration import node_factors
from tigerlite.recommenders.copying import (
    Copying,
    Visits,
    bonus_of_nodes,
    bonuses_of_targets,
    visits_before,
    visits_of,
)
from tigerlite.recommenders.exact import exact_search
from tigerlite.recommenders.heads import losses_among_children, losses_among_codes, losses_among_tokens
from tigerlite.recommenders.prefixes import Prefixes, causal_mask, item_of_token, prefixes
from tigerlite.recommenders.t5 import T5
from tigerlite.recommenders.tiger_config import TIGERConfig
from tigerlite.recommenders.training import VALIDATION_CUTOFF, TrainedRecommender
from tigerlite.recommenders.trie import Trie
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.vocabulary import SemanticVocab


class GenerativeRecommender(TrainedRecommender):
    """A T5 over semantic IDs; holds the codes of the catalogue, so a saved model serves on its own.

    Args:
        stage: prefix of the logged metrics.
        config: network, objective, decoding.
        bank: the identifiers; the trie is that of the primary member.
    """

    def __init__(self, stage: str, config: TIGERConfig, bank: TokenizerBank) -> None:
        super().__init__(stage, config.optimizer)
        self.config = config
        self.vocab = SemanticVocab(bank.vocab.codebook_sizes, n_user_tokens=int(config.user_token))
        self.n_beams = 50
        self.decoding = "beam"
        """beam (of n_beams) or exact (every item is scored): how `recommend` decodes; validation always takes a beam."""
        self.t5 = T5(config.t5, self.vocab.size)
        self.copying: Copying | None = None
        self.trie = Trie(bank.primary)
        tokens = self.vocab.item_tokens(bank.codes)
        # Member after member: (M, N + 1, L) -> (M * (N + 1), L); the first N + 1 rows are the primary's.
        self.register_buffer("codes", bank.codes.flatten(0, 1).clone(), persistent=False)
        self.register_buffer("item_tokens", tokens.flatten(0, 1), persistent=False)
        self.objective: nn.Module | None = None
        """What training minimises instead of plain cross-entropy; only in training mode, like dropout."""
        self._parts: dict[str, Tensor] = {}
        self.register_buffer("item_calibration", None, persistent=False)
        self.register_buffer("calibration", None, persistent=False)
        self._skip_buffers()

    def _skip_buffers(self) -> None:
        """Buffers follow from bank and config on every process; ddp must not broadcast them every step: 10 M items are 1 GB."""
        self._ddp_params_and_buffers_to_ignore = [name for name, _ in self.named_buffers()]

    @abstractmethod
    def encode(self, histories: Tensor) -> tuple[Tensor, Tensor]:
        """Encoded histories (B, S, D) and their mask (B, S), of item ids (B, T)."""

    @property
    @abstractmethod
    def bank(self) -> TokenizerBank:
        """The identifiers of the catalogue, on the CPU."""

    @property
    def tokens_per_item(self) -> int:
        """Encoder positions of one history item."""
        return self.vocab.n_levels

    def set_objective(self, objective: nn.Module) -> None:
        """Train on an objective of `losses/objectives.py`; its parameters are trained too and are in no served model."""
        self.objective = objective
        self._skip_buffers()

    def set_calibration(self, factors: Tensor) -> None:
        """Multiply the log-probability of every item's codes by factors (N + 1, L) in decoding; saved with the model.

        Items that share a prefix have equal factors on it.
        """
        self.item_calibration = factors.to(self.codes.device, torch.float32)
        self.calibration = node_factors(self.trie, self.codes[: len(factors)], self.item_calibration)
        self._skip_buffers()

    def set_loss_weights(self, weights: dict[str, float]) -> None:
        """Set what a curriculum multiplies the targets of a multi-target objective by.

        Raises:
            InputError: if the objective has no targets, or others.
        """
        if not isinstance(self.objective, MultiTarget):
            raise InputError("a curriculum moves the weights of objective.method=multi_target; this model has none")
        self.objective.mixing.set_pace(weights)

    def training_parts(self) -> dict[str, Tensor]:
        """Scalars of the latest training batch: losses of the targets, mixing coefficients; empty for plain training."""
        return self._parts

    def separate_parameters(self, n_steps: int) -> list[SeparateGroup]:
        """Mixing parameters have a learning rate of their own."""
        learnt = [] if self.objective is None else list(self.objective.parameters())
        return [SeparateGroup(learnt, self.objective.config.learning_rate(n_steps))] if learnt else []

    def token_losses(self, histories: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy of every label token of the target items (B,) given histories (B, T), shape (B, L)."""
        visits = None if self.copying is None else visits_of(histories)
        return self._losses(self.decoder_states(histories, targets), targets, self._labels(targets), visits)

    def decoder_states(self, histories: Tensor, targets: Tensor) -> Tensor:
        """Decoder states (B, L, D) before every label token of the targets (B,), by teacher forcing, given histories (B, T)."""
        encoded, mask = self.encode(histories)
        return self.t5.decode(self._decoder_tokens(self._labels(targets)), encoded, mask)

    def code_losses(self, states: Tensor, targets: Tensor, visits: Visits | None = None) -> Tensor:
        """Cross-entropy (B, L) of every label token of the targets (B,) under decoder states (B, L, D)."""
        return self._cross_entropy(states, targets, self._labels(targets), visits)

    def prefix_losses(self, sequences: Tensor, first: Tensor) -> Tensor:
        """Cross-entropy of every label token of all targets of the sequences, shape (n_targets, L).

        Args:
            sequences: (B, T + 1) item ids, right-padded with 0.
            first: (B,) position of the first target in each row; targets come in row order.
        """
        encoded, _ = self.encode(sequences[:, :-1])
        targets, seen, wanted = self._prefixes(sequences, first)
        labels = self._labels(targets)  # (B, P, L)
        hidden = self.t5.decode_targets(self._decoder_tokens(labels), encoded, seen)
        visits = None if self.copying is None else visits_before(sequences, wanted)
        return self._losses(hidden[wanted], targets[wanted], labels[wanted], visits)

    def _prefixes(self, sequences: Tensor, first: Tensor) -> Prefixes:
        return prefixes(sequences, first, self._item_of_token(sequences.shape[1] - 1))

    def _item_of_token(self, n_items: int) -> Tensor:
        user_token, device = self.config.user_token, self.codes.device
        return item_of_token(n_items, self.tokens_per_item, user_token=user_token, device=device)

    def _visible(self, n_items: int) -> Tensor | None:
        """(S, S) bool, the keys each token of a history of n items may see; None = all."""
        return causal_mask(self._item_of_token(n_items)) if self.config.is_causal else None

    def _labels(self, targets: Tensor) -> Tensor:
        labels = self.item_tokens[targets]  # (..., L)
        return pad(labels, (0, 1), value=self.vocab.eos) if self.config.eos else labels

    def _decoder_tokens(self, labels: Tensor) -> Tensor:
        return pad(labels[..., :-1], (1, 0), value=self.vocab.pad)

    def _losses(self, hidden: Tensor, targets: Tensor, labels: Tensor, visits: Visits | None = None) -> Tensor:
        """Terms (B, L) of the loss of labels (B, L) under hidden states (B, L, D): cross-entropy, or the objective's."""
        if self.objective is None or not self.training:
            return self._cross_entropy(hidden, targets, labels, visits)
        context = LossContext(
            cross_entropy=lambda states: self._cross_entropy(states, targets, labels, visits),
            without_history=lambda: self._states_without_history(labels),
        )
        terms = self.objective(hidden, targets, context)
        self._parts = terms.parts
        return terms.losses

    def _states_without_history(self, labels: Tensor) -> Tensor:
        """Hidden states (B, L, D) of labels (B, L) after an empty history."""
        encoded, mask = self.encode(labels.new_zeros(len(labels), 1))
        return self.t5.decode(self._decoder_tokens(labels), encoded, mask)

    def _cross_entropy(self, hidden: Tensor, targets: Tensor, labels: Tensor, visits: Visits | None = None) -> Tensor:
        """Cross-entropy (B, L) of labels (B, L) under hidden states (B, L, D)."""
        codes, bonuses = self.codes[targets], None
        if self.copying is not None and visits is not None:
            sizes = self.vocab.codebook_sizes
            bonuses = bonuses_of_targets(self.copying, hidden, codes, self.codes[visits.items], visits, sizes)
        if self.config.head == "trie":
            return losses_among_children(self.t5, self.trie, self.vocab, hidden, codes, bonuses)
        smoothing = self.config.label_smoothing if self.training else 0.0
        if self.config.head == "level":
            return losses_among_codes(self.t5, self.vocab, hidden, codes, smoothing, bonuses)
        return losses_among_tokens(self.t5, self.vocab, hidden, labels, smoothing, bonuses)

    @property
    def trains_all_prefixes(self) -> bool:
        """With an encoder that sees only earlier items."""
        return self.config.is_causal

    def validation_losses(self, batch: Batch) -> Tensor:
        """Mean cross-entropy (B,) over the label tokens of each target."""
        return self.token_losses(most_recent(batch.histories, self.config.max_history), batch.targets).mean(dim=1)

    def validation_items(self, batch: Batch) -> Tensor:
        """Items (B, 10) by beam search over the whole catalogue."""
        exclude = batch.histories if self.config.exclude_history else None
        histories = most_recent(batch.histories, self.config.max_history)
        return self._search(histories, VALIDATION_CUTOFF, self.config.valid_beams, exclude).items

    def ranked(self, histories: Tensor, k: int, exclude_history: bool) -> Recommendations:
        """Items by `decoding`, a beam's width being max(`n_beams`, k); scores are log-probabilities."""
        exclude = histories if exclude_history else None
        recent = most_recent(histories, self.config.max_history)
        n_beams = None if self.decoding == "exact" else max(self.n_beams, k)
        return self._search(recent, k, n_beams, exclude)

    def _search(self, histories: Tensor, k: int, n_beams: int | None, exclude: Tensor | None) -> Recommendations:
        """Without a number of beams every item is scored."""
        encoded, mask = self.encode(histories)
        bonus = None
        if self.copying is not None:
            visits, sizes = visits_of(histories), self.vocab.codebook_sizes
            bonus = bonus_of_nodes(self.copying, self.trie, self.codes[visits.items], visits, sizes)
        search = exact_search if n_beams is None else partial(beam_search, n_beams=n_beams)
        found = search(
            self.t5,
            self.trie,
            encoded,
            mask,
            starts=self.vocab.offsets,
            sizes=self.vocab.codebook_sizes,
            k=k,
            scoring=self.config.scoring,
            exclude=exclude,
            calibration=self.calibration,
            bonus=bonus,
        )
        return Recommendations(found.items, found.scores)
