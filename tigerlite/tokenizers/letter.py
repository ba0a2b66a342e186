"""LETTER: an RQ-VAE whose identifiers also follow who consumes what, and whose codes spread over each level.

arXiv 2405.07314. To the loss of the RQ-VAE come alpha times the collaborative alignment (`losses/collaborative.py`) of the
quantised latent, and beta times the mean over levels of the diversity term (`losses/diversity.py`), for which each
codebook is clustered anew at the start of every epoch. Both act in training alone: what is trained is an `RQVAE`, saved,
loaded and used like one. The rest of LETTER are settings: Sinkhorn at the last level (`tokenize.rqvae.sinkhorn_epsilons`)
and the temperature of the recommender's loss (`finetune.objective.method=rank`).

Departures from the released code: clusters (see `balanced_kmeans.py`) and the k-means start (`tokenize.rqvae.kmeans_init`,
there with clusters of bounded size) are ours, and alignment is over the batch of all processes.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from tigerlite.config import ConfigError, InputError, check, check_choice
from tigerlite.distributed import broadcast, is_rank_zero
from tigerlite.losses.collaborative import alignment_loss
from tigerlite.losses.diversity import diversity_loss
from tigerlite.tokenizers.balanced_kmeans import balanced_clusters, infeasible
from tigerlite.tokenizers.collaborative import ORDERS, Collaborative
from tigerlite.tokenizers.index_batches import seeded_generator
from tigerlite.tokenizers.residual import Quantized, ResidualQuantizer
from tigerlite.tokenizers.rqvae import RQVAE
from tigerlite.tokenizers.rqvae_config import RQVAEConfig

# A stream of randomness of one (seed, epoch) beside those of the RQ-VAE, which count upwards from 0.
_POSITIVES = 2**20


@dataclass(frozen=True, kw_only=True)
class LetterConfig:
    """What LETTER adds to the RQ-VAE of `tokenize.rqvae`."""

    alpha: float = 0.01
    """Weight of the collaborative alignment (.01 in the released scripts, .1 by default in their code); 0 = off, and no
    collaborative embeddings are needed."""
    beta: float = 1e-4
    """Weight of the diversity term (1e-4 in the released scripts); 0 = off. Needs tokenize.rqvae.codebook=gradient."""
    n_clusters: int = 10
    """Clusters of each codebook (10 in the released code)."""
    smallest_cluster: int = 10
    """Codes that a cluster holds at least (10 in the released code, whose levels have 256 codes)."""
    largest_cluster: int = 60
    """Codes that a cluster holds at most (60 in the released code)."""
    file: Path | None = None
    """Collaborative item embeddings: a teacher's item_embeddings.safetensors, or an .npy file (rows, C), whose rows `ids` or
    `order` has to name; null = those of the teacher that teacher.enabled trains."""
    ids: Path | None = None
    """With an .npy file: text file with one external item id a line, in the order of its rows."""
    order: str = "ids"
    """With an .npy file: ids, or prepared (row i is item id i + 1 of the prepared data)."""

    def __post_init__(self) -> None:
        check(self.alpha >= 0, "alpha", self.alpha, "a number >= 0")
        check(self.beta >= 0, "beta", self.beta, "a number >= 0")
        check(self.n_clusters >= 1, "n_clusters", self.n_clusters, "an integer >= 1")
        smallest, largest = self.smallest_cluster, self.largest_cluster
        check(smallest >= 2, "smallest_cluster", smallest, "an integer >= 2, since a code needs another beside it")
        check(largest >= smallest, "largest_cluster", largest, f"an integer >= smallest_cluster={smallest}")
        check_choice("order", self.order, ORDERS)

    @property
    def unused(self) -> tuple[str, ...]:
        """Where the embeddings lie, since their content is an input of the stage, and clusters that nothing reads."""
        clusters = ("n_clusters", "smallest_cluster", "largest_cluster")
        return ("file", "ids", "order", *(() if self.beta else clusters))

    def check_rqvae(self, rqvae: RQVAEConfig) -> None:
        """Refuse an RQ-VAE on which the diversity term could not act.

        Raises:
            ConfigError: if its codebooks are not learned by gradient, or a level does not fit the clusters.
        """
        if not self.beta:
            return
        if rqvae.codebook != "gradient":
            raise ConfigError(
                f"letter.beta={self.beta} moves codebooks by gradient but rqvae.codebook={rqvae.codebook!r}; set "
                f"tokenize.rqvae.codebook=gradient, or tokenize.letter.beta=0"
            )
        for size in rqvae.codebook_sizes:
            if not self.n_clusters * self.smallest_cluster <= size <= self.n_clusters * self.largest_cluster:
                raise ConfigError(infeasible(size, self.n_clusters, self.smallest_cluster, self.largest_cluster))


class LetterTerms(nn.Module):
    """The two terms, with what they need: collaborative embeddings, clusters and draws. None of it is saved.

    Args:
        config: weights and clusters.
        n_items: N.
        codebook_sizes: codes per level.
        embeddings: (N, C) of all items, C the width of the latents; None with alpha=0.
        seed: of clusters and positives.
    """

    def __init__(
        self,
        config: LetterConfig,
        n_items: int,
        *,
        codebook_sizes: tuple[int, ...],
        embeddings: Tensor | None,
        seed: int,
    ) -> None:
        super().__init__()
        self.config, self.seed = config, seed
        self.register_buffer("embeddings", embeddings, persistent=False)
        self.register_buffer("draws", torch.zeros(n_items, len(codebook_sizes)), persistent=False)
        for level, size in enumerate(codebook_sizes):
            self.register_buffer(f"clusters{level}", torch.zeros(size, dtype=torch.int64), persistent=False)

    @torch.no_grad()
    def start_epoch(self, quantizer: ResidualQuantizer, epoch: int) -> None:
        """Cluster the codebooks and draw every item's positives: a function of codebooks, seed and epoch."""
        if not self.config.beta:
            return
        generator = seeded_generator(self.seed, epoch, _POSITIVES)
        self.draws.copy_(torch.rand(self.draws.shape, generator=generator))
        for level, codebook in enumerate(quantizer.codebooks):
            clusters = self.get_buffer(f"clusters{level}")
            found = torch.zeros(codebook.n_codes, dtype=torch.int64)
            if is_rank_zero():
                labels = balanced_clusters(
                    codebook.vectors.detach().float().cpu().numpy(),
                    self.config.n_clusters,
                    smallest=self.config.smallest_cluster,
                    largest=self.config.largest_cluster,
                    seed=[self.seed, epoch, level],
                )
                found = torch.from_numpy(labels)
            clusters.copy_(broadcast(found))

    def forward(self, rows: Tensor, quantized: Quantized, quantizer: ResidualQuantizer) -> dict[str, Tensor]:
        """The terms for a batch of items (B,), each times its weight, by name."""
        terms = {}
        if self.config.alpha:
            terms["alignment"] = self.config.alpha * alignment_loss(quantized.quantized, self.embeddings[rows])
        if self.config.beta:
            levels = [
                diversity_loss(codebook.vectors, codes, self.positives(level, rows, codes))
                for level, (codebook, codes) in enumerate(
                    zip(quantizer.codebooks, quantized.codes.unbind(1), strict=True)
                )
            ]
            terms["diversity"] = self.config.beta * torch.stack(levels).mean()
        return terms

    def positives(self, level: int, rows: Tensor, codes: Tensor) -> Tensor:
        """For codes (B,) of items (B,), another code of the same cluster each (B,), all of them equally likely."""
        clusters = self.get_buffer(f"clusters{level}")
        # Codes sorted by cluster: a cluster is a run, and a code's place in it is counted from the run's start.
        order = clusters.argsort(stable=True)
        sizes = torch.nn.functional.one_hot(clusters, self.config.n_clusters).sum(dim=0)
        places = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))
        starts, size = (sizes.cumsum(0) - sizes)[clusters[codes]], sizes[clusters[codes]]
        # float32 can round a draw times a number up to the number.
        step = 1 + (self.draws[rows, level] * (size - 1)).long().minimum(size - 2)
        return order[starts + (places[codes] - starts + step) % size]


def regularise(model: RQVAE, config: LetterConfig, collaborative: Collaborative | None) -> None:
    """Give an RQ-VAE that has its items LETTER's terms.

    Args:
        model: after `attach`.
        config: weights and clusters.
        collaborative: of the same items; None is enough with alpha=0.

    Raises:
        InputError: if embeddings are needed and absent, of another number of items, or of another width than the latent.
        ConfigError: if the diversity term could not act.
    """
    config.check_rqvae(model.config)
    embeddings = None
    if config.alpha:
        embeddings = torch.from_numpy(_checked(collaborative, len(model.items), model.config.latent))
    terms = LetterTerms(
        config,
        len(model.items),
        codebook_sizes=model.config.codebook_sizes,
        embeddings=embeddings,
        seed=model.config.seed,
    )
    model.regularise(terms)


def _checked(collaborative: Collaborative | None, n_items: int, width: int) -> np.ndarray:
    if collaborative is None:
        raise InputError(
            "tokenize.method=letter aligns codes with collaborative embeddings and got none; set teacher.enabled=true or "
            "tokenize.letter.file, or tokenize.letter.alpha=0"
        )
    if collaborative.n_items != n_items:
        raise InputError(
            f"collaborative embeddings of {collaborative.n_items} items were given but the data set has {n_items}; "
            f"make them from this data set"
        )
    if collaborative.dimensions != width:
        raise InputError(
            f"collaborative embeddings have {collaborative.dimensions} dimensions but the latent {width}, and LETTER "
            f"multiplies one with the other; set tokenize.rqvae.latent={collaborative.dimensions}"
        )
    return collaborative.matrix
