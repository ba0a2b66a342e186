"""LETTER's diversity regularisation: codes of one cluster draw together and away from the others.

arXiv 2405.07314: an item with code k is given another code k+ of the cluster of k, drawn at random, and pays

    -log exp(<e_k, e_k+>) / sum_{j != k} exp(<e_k, e_j>)

It moves the codebook alone. What it costs depends on an item's code only, so the softmax is taken once per code.
"""

import torch
from torch import Tensor


def diversity_loss(vectors: Tensor, codes: Tensor, positives: Tensor) -> Tensor:
    """Mean over a batch's codes (B,) of finding `positives` (B,) among the other vectors (K, D) of a codebook, K >= 2."""
    with torch.autocast(vectors.device.type, enabled=False):
        similarities = vectors.float() @ vectors.float().T
    own = torch.eye(len(vectors), dtype=torch.bool, device=vectors.device)
    return -similarities.masked_fill(own, -torch.inf).log_softmax(dim=1)[codes, positives].mean()
