"""Baselines: next-item networks that `NextItem` trains, and the closed forms popularity, recent and item-kNN.

`NETWORKS` lists the networks, all `(config, n_items, max_history)`; their config sections sit in the same files. Called
with right-padded item ids (B, T), T <= max_history, a network gives states (B, T, D), of which state t follows from the
items up to t only; an item's score is the inner product of a state with its row of `item_embeddings` (N + 1, D).

Three need more. Those in `READ_FEATURES` take the features of the items as a fourth argument; HSTU may be called with
times; those in `CLOZE` read both ways: item n_items + 1 is a mask, the state there predicts what it hides, and
`cloze_states` reads T = max_history + 1. S3-Rec has both ways of reading.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from tigerlite.config import InputError
from tigerlite.recommenders.baselines.bert4rec import BERT4Rec
from tigerlite.recommenders.baselines.caser import Caser
from tigerlite.recommenders.baselines.fdsa import FDSA
from tigerlite.recommenders.baselines.fmlp import FMLP
from tigerlite.recommenders.baselines.gru4rec import GRU4Rec
from tigerlite.recommenders.baselines.hgn import HGN
from tigerlite.recommenders.baselines.hstu import HSTU
from tigerlite.recommenders.baselines.s3rec import S3Rec
from tigerlite.recommenders.baselines.sasrec import SASRec

NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "sasrec": SASRec,
    "gru4rec": GRU4Rec,
    "bert4rec": BERT4Rec,
    "caser": Caser,
    "hgn": HGN,
    "fmlp": FMLP,
    "hstu": HSTU,
    "fdsa": FDSA,
    "s3rec": S3Rec,
}
CLOZE = ("bert4rec",)
READ_FEATURES = ("fdsa",)


def build_network(name: str, config: Any, n_items: int, max_history: int, features: Tensor | None = None) -> nn.Module:
    """A network of `NETWORKS` with fresh weights.

    Args:
        config: its section.
        features: feature ids (N + 1, F) of the items; for the networks in `READ_FEATURES`.

    Raises:
        InputError: if the network reads features and there are none.
    """
    if name not in READ_FEATURES:
        return NETWORKS[name](config, n_items, max_history)
    if features is None:
        raise InputError(f"network={name} reads features of the items and was given none; see data/item_features.py")
    return NETWORKS[name](config, n_items, max_history, features)
