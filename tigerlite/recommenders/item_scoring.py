"""The best items of inner-product models: exact, in chunks of the catalogue, so that memory does not grow with N."""

import torch
from torch import Tensor

from tigerlite.config import check
from tigerlite.recommenders.base import Recommendations
from tigerlite.recommenders.best import best, in_places

CHUNK = 16_384
"""Items scored at a time; for 256 states about 150 MB."""


@torch.no_grad()
def top_items(
    states: Tensor, items: Tensor, k: int, exclude: Tensor | None = None, chunk: int = CHUNK
) -> Recommendations:
    """The k items with the largest inner products, best first, equal scores by item id, none of those excluded.

    Products are float32 also under autocast: rounded to bfloat16, thousands of items would tie.

    Args:
        states: (B, D).
        items: (N + 1, D), row 0 = padding, never returned.
        exclude: (B, X) item ids that must not be returned, 0 for none.
        chunk: items scored at a time; changes memory and nothing else.

    >>> top_items(torch.ones(1, 1), torch.tensor([[9.0], [1.0], [3.0], [3.0]]), k=4).items.tolist()
    [[2, 3, 1, 0]]
    """
    check(k >= 1, "k", k, "an integer >= 1")
    check(chunk >= 1, "chunk", chunk, "an integer >= 1")
    n_rows, device = len(states), states.device
    top = torch.zeros(n_rows, 0, dtype=torch.int64, device=device)
    scores = torch.zeros(n_rows, 0, device=device)
    for start in range(1, len(items), chunk):
        stop = min(start + chunk, len(items))
        with torch.autocast(device.type, enabled=False):
            part = states.float() @ items[start:stop].float().T  # (B, C)
        if exclude is not None:
            _leave_out(part, exclude, start)
        ids = torch.arange(start, stop, device=device).expand(n_rows, -1)
        chosen = best(part, ids, k)
        top = torch.cat([top, ids.gather(1, chosen)], dim=1)
        scores = torch.cat([scores, part.gather(1, chosen)], dim=1)
        chosen = best(scores, top, k)
        top, scores = top.gather(1, chosen), scores.gather(1, chosen)
    return Recommendations(*in_places(top, scores, k))


def _leave_out(scores: Tensor, exclude: Tensor, start: int) -> None:
    """Set the scores (B, C) of items start..start + C - 1 to -inf where `exclude` (B, X) names them."""
    columns = exclude - start
    inside = (columns >= 0) & (columns < scores.shape[1])
    # The smaller of the score and -inf, or +inf where the item lies in another chunk: no copy to the host decides.
    bound = torch.where(inside, -torch.inf, torch.inf).to(scores.dtype)
    scores.scatter_reduce_(1, columns.clamp(0, scores.shape[1] - 1), bound, reduce="amin")
