"""LETTER's collaborative alignment: a quantised item should be nearest to its own collaborative embedding.

arXiv 2405.07314, collaborative regularisation: with the quantised latent z_i and the frozen embedding h_i of item i,

    L_CF = -1/B sum_i log exp(<z_i, h_i>) / sum_j exp(<z_i, h_j>),  j over the batch

Dot products, neither scaled nor normalised, as in the released code.
"""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from tigerlite.distributed import all_gather_cat, own_places


def alignment_loss(latents: Tensor, embeddings: Tensor) -> Tensor:
    """Mean cross-entropy of finding the own row of embeddings (B, D) among the batch's by latents (B, D).

    The batch is that of all processes. Embeddings get no gradient.
    """
    with torch.autocast(latents.device.type, enabled=False):
        candidates = all_gather_cat(embeddings.detach().float())
        return cross_entropy(latents.float() @ candidates.T, own_places(len(latents), latents.device))
