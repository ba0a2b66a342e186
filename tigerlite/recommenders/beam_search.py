"""Beam search over the items of a catalogue: every hypothesis is a path of the trie, so every result is an item.

The encoder runs once per user, all beams of all users advance together, and the only loop is over the L levels.
While no more than n_beams paths exist at a level, all of them are kept (the first step with 256 codes and 300 beams
prunes nothing), and each path that is kept leads to an item that may be returned. So k items come back whenever
the catalogue, less the excluded items, has k.

Exclusion is exact: a path all of whose items are excluded for a user is treated as if it were not in the trie, so the
result is that of a search over a catalogue without these items and no wider beam is needed.

Under `torch.autocast(device, torch.bfloat16)` the network runs in bfloat16; log-probabilities and their sums stay in
float32. With random weights about 97 % of the top 50 are those of float32.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from tigerlite.config import check
from tigerlite.recommenders.best import best
from tigerlite.recommenders.scoring import Beams, Bonus, check_fit, child_log_probs, padded
from tigerlite.recommenders.t5 import T5
from tigerlite.recommenders.trie import Trie


@torch.no_grad()
def beam_search(
    model: T5,
    trie: Trie,
    encoded: Tensor,
    mask: Tensor,
    *,
    starts: Sequence[int],
    sizes: Sequence[int],
    n_beams: int,
    k: int,
    scoring: str = "level",
    exclude: Tensor | None = None,
    calibration: Tensor | None = None,
    bonus: Bonus | None = None,
) -> Beams:
    """The k most probable items of each user (TIGER, arXiv 2305.05065, section 3.3).

    Runs the model as it is: call `model.eval()` first. A user's result does not depend on the rest of the batch, up
    to float rounding.

    Args:
        encoded: (B, S, D), from `model.encode`; `mask`: (B, S) bool, True on real tokens.
        starts: token of code 0 of each level; `sizes`: number of codes of each level.
        n_beams: paths kept per user and level; at least k.
        scoring: what a code's log-probability is normalised over: `level` all codes of its level, `trie` the legal
            children of its prefix, `vocabulary` all tokens (as the published implementations score).
        exclude: (B, X) item ids that must not be returned, 0 for none.
        calibration: (n_nodes,) factor on the log-probability of every node of the trie; None = 1.
        bonus: what is added to logits; None = nothing.

    Raises:
        InputError: if k > n_beams, the trie does not fit starts and sizes, or an excluded id is unknown.

    >>> from tigerlite.recommenders.t5 import T5Config
    >>> model = T5(T5Config(d_model=8, d_ff=8), vocab_size=7).eval()
    >>> tokens, mask = torch.tensor([[1, 4]]), torch.tensor([[True, True]])
    >>> trie = Trie(torch.tensor([[0, 0], [0, 0], [1, 2]]))
    >>> beams = beam_search(model, trie, model.encode(tokens, mask), mask, starts=[1, 4], sizes=[3, 3], n_beams=3, k=3)
    >>> sorted(beams.items.tolist()[0])
    [0, 1, 2]
    """
    check_fit(model, trie, starts, sizes, k=k, scoring=scoring)
    check(n_beams >= k, "n_beams", n_beams, f"at least k = {k}; raise n_beams or lower k")
    n_users = encoded.shape[0]
    state = model.start_decoding(encoded, mask)
    excluded = None if exclude is None else trie.exclusion(exclude)
    # One hypothesis per user, the root; W grows to n_beams. Below: (B, W) beams, (B, W, C) their children.
    nodes = torch.zeros(n_users, 1, dtype=torch.int64, device=encoded.device)
    tokens, parents = nodes, None
    scores = torch.zeros(n_users, 1, device=encoded.device)
    for level in range(trie.n_levels):
        is_last = level == trie.n_levels - 1
        hidden, state = model.decode_step(tokens, state, parents)
        children = trie.expand(nodes, level)
        if excluded is not None:
            allowed = children.legal & trie.has_other_leaves(children.nodes, level + 1, excluded)
            children = children._replace(legal=allowed)
        more = None if bonus is None else bonus(level, nodes, hidden)
        log_probs = child_log_probs(model, hidden, children, starts[level], sizes[level], scoring, more)
        if calibration is not None:
            log_probs = log_probs * calibration[children.nodes]
        candidates = (scores.unsqueeze(-1) + log_probs).masked_fill(~children.legal, -torch.inf).flatten(1)
        ties = trie.leaf_items(children.nodes) if is_last else children.nodes
        chosen = best(candidates, ties.flatten(1), k if is_last else n_beams)  # (B, W) of W*C
        scores = candidates.gather(1, chosen)
        parents = chosen // trie.max_children[level]
        nodes = children.nodes.flatten(1).gather(1, chosen)
        tokens = starts[level] + children.codes.flatten(1).gather(1, chosen)
    return padded(trie.leaf_items(nodes), scores, k)
