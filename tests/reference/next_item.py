"""Next-item networks, losses and ranking written as loops over positions, targets, negatives and items."""

import math

import torch
from torch import Tensor, nn

from tigerlite.recommenders.baselines.gru4rec import GRU4Rec
from tigerlite.recommenders.baselines.sasrec import SASRec


def sasrec_states(network: SASRec, sequence: list[int]) -> Tensor:
    """States (T, D) of one sequence, one position and one head at a time, without dropout."""
    weights = network.state_dict()
    width = network.item_embeddings.shape[1]
    hidden = [weights["items.weight"][item] * math.sqrt(width) for item in sequence]
    hidden = [vector + weights["positions.weight"][place] for place, vector in enumerate(hidden)]
    for number, block in enumerate(network.blocks):
        part = {name.removeprefix(f"blocks.{number}."): value for name, value in weights.items()}
        normed = [_normalised(vector, part, "attention_norm") for vector in hidden]
        projected = [_linear(vector, part, "projection").view(3, block.n_heads, -1) for vector in normed]
        after = []
        for place, vector in enumerate(hidden):
            heads = []
            for head in range(block.n_heads):
                query = projected[place][0, head]
                scores = [float(query @ projected[seen][1, head]) / math.sqrt(len(query)) for seen in range(place + 1)]
                total = sum(math.exp(score) for score in scores)
                shares = [math.exp(score) / total for score in scores]
                heads.append(sum(share * projected[seen][2, head] for seen, share in enumerate(shares)))
            vector = vector + _linear(torch.cat(heads), part, "output")
            inner = _linear(_normalised(vector, part, "feed_forward_norm"), part, "inner").clamp(min=0)
            after.append(vector + _linear(inner, part, "outer"))
        hidden = after
    return torch.stack([_normalised(vector, weights, "norm") for vector in hidden])


def gru4rec_states(network: GRU4Rec, sequence: list[int]) -> Tensor:
    """States (T, D) of one sequence, one cell at a time, without dropout."""
    inputs = [network.item_embeddings[item].detach() for item in sequence]
    for layer in range(network.gru.num_layers):
        cell = nn.GRUCell(len(inputs[0]), network.gru.hidden_size)
        cell.load_state_dict(
            {
                name.removesuffix(f"_l{layer}"): value
                for name, value in network.gru.state_dict().items()
                if name.endswith(f"_l{layer}")
            }
        )
        state, outputs = torch.zeros(network.gru.hidden_size), []
        for vector in inputs:
            state = cell(vector[None], state[None])[0]
            outputs.append(state)
        inputs = outputs
    return torch.stack([network.output(vector) for vector in inputs])


def cross_entropy(state: list[float], target: int, items: list[list[float]], smoothing: float = 0.0) -> float:
    """Of one target over items 1..N of the table `items` (N + 1, D)."""
    scores = {item: _dot(state, items[item]) for item in range(1, len(items))}
    total = math.log(sum(math.exp(score) for score in scores.values()))
    log_probs = {item: score - total for item, score in scores.items()}
    spread = smoothing / len(scores)
    return -sum(((1 - smoothing) * (item == target) + spread) * value for item, value in log_probs.items())


def sampled_cross_entropy(
    state: list[float], target: int, items: list[list[float]], negatives: list[int], q: list[float]
) -> float:
    """Of one target; every negative that is not the target stands for 1 / (K q) items."""
    others = sum(
        math.exp(_dot(state, items[item])) / (len(negatives) * q[item]) for item in negatives if item != target
    )
    own = math.exp(_dot(state, items[target]))
    return -math.log(own / (own + others))


def binary_cross_entropy(
    state: list[float], target: int, items: list[list[float]], negatives: list[int], beta: float = 1.0
) -> float:
    """Of one target and its negatives; the target's probability is raised to `beta`."""
    terms = [math.log(_sigmoid(_dot(state, items[target])) ** beta)]
    terms += [math.log(1 - _sigmoid(_dot(state, items[item]))) for item in negatives]
    return -sum(terms) / len(terms)


def sorted_items(scores: list[float], k: int, excluded: set[int]) -> list[int]:
    """The k best of items 1..N by their `scores` (N + 1), equal ones by id, 0 in places that cannot be filled."""
    allowed = [item for item in range(1, len(scores)) if item not in excluded]
    ranked = sorted(allowed, key=lambda item: (-scores[item], item))[:k]
    return ranked + [0] * (k - len(ranked))


def _linear(vector: Tensor, weights: dict[str, Tensor], name: str) -> Tensor:
    return weights[f"{name}.weight"] @ vector + weights[f"{name}.bias"]


def _normalised(vector: Tensor, weights: dict[str, Tensor], name: str) -> Tensor:
    centred = vector - vector.mean()
    scaled = centred / torch.sqrt((centred**2).mean() + 1e-5)
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def _dot(left: list[float], right: list[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))


def _sigmoid(score: float) -> float:
    return 1 / (1 + math.exp(-score))
