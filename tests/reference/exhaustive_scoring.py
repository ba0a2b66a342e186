"""The score of every item for every user by teacher forcing, one user and one item at a time."""

import torch
from torch import Tensor

from tests.reference.python_trie import PythonTrie
from tigerlite.recommenders.t5 import T5


@torch.no_grad()
def exhaustive_scores(
    model: T5, codes: Tensor, tokens: Tensor, mask: Tensor, *, starts: list[int], sizes: list[int], scoring: str
) -> Tensor:
    """Sums of log-probabilities (B, N) of items 1..N with `codes` (N + 1, L), for histories `tokens`, `mask` (B, S)."""
    trie = PythonTrie(codes.tolist())
    rows = []
    for user in range(len(tokens)):
        row = []
        for path in codes[1:].tolist():
            targets = [start + code for start, code in zip(starts, path, strict=True)]
            logits = model(tokens[user : user + 1], mask[user : user + 1], torch.tensor([[0, *targets[:-1]]]))[
                0
            ].double()
            score = 0.0
            for level, target in enumerate(targets):
                row_logits = logits[level]
                if scoring == "vocabulary":
                    rivals = row_logits
                elif scoring == "level":
                    rivals = row_logits[starts[level] : starts[level] + sizes[level]]
                else:
                    rivals = row_logits[[starts[level] + code for code in trie.children(path[:level])]]
                score += float(row_logits[target] - rivals.logsumexp(0))
            row.append(score)
        rows.append(row)
    return torch.tensor(rows)


def best_items(scores: Tensor, k: int) -> list[list[int]]:
    """The k best item ids per user, best first; equal scores by the lower id."""
    return [sorted(range(1, len(row) + 1), key=lambda item: (-row[item - 1], item))[:k] for row in scores.tolist()]
