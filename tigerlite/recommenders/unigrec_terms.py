"""What UniGRec's loss has beside L_rec (arXiv 2601.17438): reconstruction, uniformity, and both distillations.

Reconstruction and uniformity are over the positions of the batch's histories and targets, padding left out. The adapters of
the distillations are trained with the recommender and in no served model. Tokenizer side: linear maps of the pooled history
and of the teacher's vector to the tokenizer's input, as in the paper; both are brought to the length of inputs and go through
its encoder. The released code maps them past the encoder by MLPs that no optimiser knows. Recommender side: a linear map of the
decoder's first state to the teacher's width. With distillation=released all of that is as released: weights N(0, .02^2) for
good, MLPs of ReLUs that end in the tokenizer's latent space (128-64-32 of the history, 256-128-64-32 of the teacher at its
sizes), and the losses of `losses/released_distillation.py`. Its pooling is not: it zeroes the last two samples of a batch and
sums over padding. Uniformity is a sum over levels, as in the paper; the released code takes the mean, with weight 0.

Where both maps of the tokenizer side are trained, nothing keeps them from agreeing on the same codes for all items. With
tokenizer_distillation_map=fitted (in no paper) the teacher's map is a regression of the items' inputs on its vectors, and stays.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn

from tigerlite.losses.distillation import info_nce, mean_over_processes, symmetric_divergence
from tigerlite.losses.released_distillation import released_divergence, released_info_nce
from tigerlite.losses.uniformity import divergence_of_use
from tigerlite.recommenders.soft_batch import SoftBatch
from tigerlite.recommenders.unigrec_config import UniGRecConfig
from tigerlite.tokenizers.soft_rqvae import SoftRQVAE

_RIDGE = 1e-4
"""Share of the vectors' variance that is added to it, so that vectors without spread have a map too."""


class UniGRecTerms(nn.Module):
    """The terms, with adapters and the teacher's frozen vectors.

    Args:
        settings: weights and first epochs.
        teacher: (N + 1, C), row 0 belongs to padding; None = no distillation.
        inputs: (N + 1, D') normalised inputs of the tokenizer; None in a model that only serves.
        d_model: width of the recommender's states.
        n_dimensions: width of the tokenizer's inputs.
        latent: width of its codes' vectors.
    """

    def __init__(
        self,
        settings: UniGRecConfig,
        teacher: Tensor | None,
        inputs: Tensor | None,
        *,
        d_model: int,
        n_dimensions: int,
        latent: int,
    ) -> None:
        super().__init__()
        self.settings = settings
        self.weights = {
            "reconstruction": settings.reconstruction_weight if settings.train_tokenizer else 0.0,
            "uniformity": settings.uniformity_weight if settings.train_tokenizer else 0.0,
            "tokenizer_distillation": settings.tokenizer_distillation_weight if teacher is not None else 0.0,
            "recommender_distillation": settings.recommender_distillation_weight if teacher is not None else 0.0,
        }
        self.starts = {
            "reconstruction": settings.reconstruction_start,
            "uniformity": settings.uniformity_start,
            "tokenizer_distillation": settings.distillation_start,
            "recommender_distillation": settings.distillation_start,
        }
        self.register_buffer("teacher", None if teacher is None else teacher.float(), persistent=False)
        self.adapters = nn.ModuleDict()
        self.released = settings.distillation == "released"
        if self.weights["tokenizer_distillation"] and self.released:
            self.adapters["history"] = _mlp(d_model, 2 * latent, latent)
            self.adapters["teacher"] = _mlp(teacher.shape[1], 4 * latent, 2 * latent, latent)
        elif self.weights["tokenizer_distillation"]:
            self.adapters["history"] = nn.Linear(d_model, n_dimensions)
            fitted = settings.tokenizer_distillation_map == "fitted" and inputs is not None
            width = teacher.shape[1]
            self.adapters["teacher"] = regression(teacher[1:], inputs[1:]) if fitted else nn.Linear(width, n_dimensions)
        if self.weights["recommender_distillation"]:
            self.adapters["state"] = nn.Linear(d_model, teacher.shape[1])
        if self.released:
            self.adapters.apply(_initialise).requires_grad_(False)

    def active(self, epoch: int) -> list[str]:
        """The terms that count in an epoch."""
        return [name for name, weight in self.weights.items() if weight and epoch >= self.starts[name]]

    def forward(
        self, epoch: int, tokenizer: SoftRQVAE, soft: SoftBatch, *, pooled: Tensor, states: Tensor, targets: Tensor
    ) -> dict[str, Tensor]:
        """The terms that are on by name, without their weights.

        Args:
            epoch: from 0.
            tokenizer: what encoded the batch.
            soft: the batch's items.
            pooled: (B, D) mean encoder state of each target's history.
            states: (B, D) decoder state at the first position.
            targets: (B,) items.
        """
        terms, active, counts = {}, self.active(epoch), soft.counts.float()
        with torch.autocast(states.device.type, enabled=False):
            if "reconstruction" in active:
                errors = (tokenizer.reconstruct(soft.quantized) - soft.inputs).square().mean(dim=1)
                terms["reconstruction"] = mean_over_processes(errors, counts)
            if "uniformity" in active:
                use = [mean_over_processes(shares, counts) for shares in soft.quantized.shares]
                terms["uniformity"] = torch.stack([divergence_of_use(level) for level in use]).sum()
            if "tokenizer_distillation" in active:
                terms["tokenizer_distillation"] = self._tokenizer_side(tokenizer, pooled.float(), targets)
            if "recommender_distillation" in active:
                mapped, tau = self.adapters["state"](states.float()), self.settings.recommender_distillation_tau
                contrast = released_info_nce if self.released else info_nce
                terms["recommender_distillation"] = contrast(mapped, self.teacher[targets], targets, tau)
        return terms

    def _tokenizer_side(self, tokenizer: SoftRQVAE, pooled: Tensor, targets: Tensor) -> Tensor:
        student, teacher = self.adapters["history"](pooled), self.adapters["teacher"](self.teacher[targets])
        if self.released:
            chain = tokenizer.quantizer.hard_distances
            return released_divergence(chain(student), chain(teacher), targets)
        student, teacher = (tokenizer.quantize(tokenizer.at_length(rows)).distances for rows in (student, teacher))
        tau = self.settings.tokenizer_distillation_tau or tokenizer.quantizer.temperature
        rows = symmetric_divergence(student, teacher, tau)
        return mean_over_processes(rows, torch.ones_like(rows))

    def idle(self, epoch: int, tokenizer: SoftRQVAE) -> list[nn.Parameter]:
        """Trained weights that no term of this epoch reaches."""
        active = self.active(epoch)
        idle = [] if "reconstruction" in active else list(tokenizer.decoder.parameters())
        if epoch < self.settings.distillation_start:
            idle += list(self.adapters.parameters())
        return [weight for weight in idle if weight.requires_grad]


def regression(vectors: Tensor, inputs: Tensor) -> nn.Linear:
    """The frozen linear map of vectors (N, C) to inputs (N, D) with the least squares, by a slight ridge.

    >>> vectors = torch.tensor([[0.0], [1.0], [2.0]])
    >>> regression(vectors, 3 * vectors + 1)(torch.tensor([[4.0]])).round(decimals=2).tolist()
    [[13.0]]
    """
    vectors, inputs = vectors.double(), inputs.double()
    centre, middle = vectors.mean(dim=0), inputs.mean(dim=0)
    gram = (vectors - centre).T @ (vectors - centre)
    gram = gram + _RIDGE * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    weight = torch.linalg.solve(gram, (vectors - centre).T @ (inputs - middle))
    found = nn.Linear(*weight.shape, device=weight.device).requires_grad_(False)
    found.weight.copy_(weight.T)
    found.bias.copy_(middle - centre @ weight)
    return found


def _mlp(*widths: int) -> nn.Sequential:
    layers = [layer for width, following in pairwise(widths) for layer in (nn.Linear(width, following), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


def _initialise(module: nn.Module) -> None:
    """As the released code starts every linear layer of its adapters."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)


def entropies(soft: SoftBatch) -> dict[str, Tensor]:
    """Per level, mean entropy in nats of the mixtures over the batch's positions: 0 where codes are hard."""
    counts = soft.counts.float()
    return {
        f"entropy/level{level}": torch.special.entr(shares.detach()).sum(dim=1) @ counts / counts.sum()
        for level, shares in enumerate(soft.quantized.shares, start=1)
    }
