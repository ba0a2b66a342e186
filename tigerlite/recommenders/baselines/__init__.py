"""Baselines: next-item networks that `NextItem` trains, and the closed forms popularity and item-kNN.

`NETWORKS` lists the networks, all `(config, n_items, max_history)`; their config sections sit in the same files. Called
with right-padded item ids (B, T), T <= max_history, a network gives states (B, T, D), of which state t follows from the
items up to t only; an item's score is the inner product of a state with its row of `item_embeddings` (N + 1, D).
"""

from tigerlite.recommenders.baselines.gru4rec import GRU4Rec
from tigerlite.recommenders.baselines.sasrec import SASRec

NETWORKS: dict[str, type[SASRec] | type[GRU4Rec]] = {
    "sasrec": SASRec,
    "gru4rec": GRU4Rec,
}
