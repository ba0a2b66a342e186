"""Networks of classic recommenders written as loops over positions, heads, filters and items, without dropout."""

import math

import torch
from torch import Tensor

from tigerlite.recommenders.baselines.bert4rec import BERT4Rec
from tigerlite.recommenders.baselines.blocks import Encoder
from tigerlite.recommenders.baselines.caser import Caser
from tigerlite.recommenders.baselines.fdsa import FDSA
from tigerlite.recommenders.baselines.fmlp import FilterLayer
from tigerlite.recommenders.baselines.hgn import HGN
from tigerlite.recommenders.baselines.hstu import HSTU
from tigerlite.recommenders.baselines.s3rec import S3Rec


def encoder_states(encoder: Encoder, vectors: list[Tensor], *, causal: bool) -> list[Tensor]:
    """BERT's encoder, one position and one head at a time."""
    for number, layer in enumerate(encoder.layers):
        part = weights_of(encoder, f"layers.{number}.")
        projected = [linear(vector, part, "projection").view(3, layer.n_heads, -1) for vector in vectors]
        after = []
        for place, vector in enumerate(vectors):
            visible = range(place + 1) if causal else range(len(vectors))
            heads = []
            for head in range(layer.n_heads):
                query = projected[place][0, head]
                scores = [math.exp(float(query @ projected[key][1, head]) / math.sqrt(len(query))) for key in visible]
                heads.append(
                    sum(
                        score / sum(scores) * projected[key][2, head]
                        for score, key in zip(scores, visible, strict=True)
                    )
                )
            vector = normalised(vector + linear(torch.cat(heads), part, "output"), part, "attention_norm")
            inner = torch.tensor([gelu(float(value)) for value in linear(vector, part, "feed_forward.inner")])
            after.append(normalised(vector + linear(inner, part, "feed_forward.outer"), part, "feed_forward.norm"))
        vectors = after
    return vectors


def bert4rec_states(network: BERT4Rec, sequence: list[int]) -> Tensor:
    """(T, D): every position sees every other one."""
    weights = weights_of(network)
    vectors = embedded(weights, sequence, "items", "positions", "input_norm")
    states = []
    for vector in encoder_states(network.encoder, vectors, causal=False):
        transformed = torch.tensor([gelu(float(value)) for value in linear(vector, weights, "transform")])
        states.append(normalised(transformed, weights, "output_norm"))
    return torch.stack(states)


def s3rec_states(network: S3Rec, sequence: list[int], *, causal: bool) -> Tensor:
    """(T, D)."""
    vectors = embedded(weights_of(network), sequence, "items", "positions", "norm")
    return torch.stack(encoder_states(network.encoder, vectors, causal=causal))


def fdsa_states(network: FDSA, sequence: list[int], features: dict[int, list[int]]) -> Tensor:
    """(T, D); `features` names those of each item."""
    weights = weights_of(network)
    items = embedded(weights, sequence, "items", "item_positions", "norms.0")
    described = []
    for place, item in enumerate(sequence):
        vectors = [weights["pool.embeddings.weight"][feature] for feature in features[item]]
        scores = [math.exp(float(linear(vector, weights, "pool.attention"))) for vector in vectors]
        pooled = sum(score / sum(scores) * vector for score, vector in zip(scores, vectors, strict=True))
        position = weights["feature_positions.weight"][len(sequence) - 1 - place]
        described.append(normalised(pooled + position, weights, "norms.1"))
    one = encoder_states(network.item_encoder, items, causal=True)
    other = encoder_states(network.feature_encoder, described, causal=True)
    return torch.stack([linear(torch.cat(pair), weights, "output") for pair in zip(one, other, strict=True)])


def caser_states(network: Caser, sequence: list[int]) -> Tensor:
    """(T, D), filter by filter over a window padded with zeros on the left."""
    weights, size = weights_of(network), network.window
    states = []
    for place in range(len(sequence)):
        recent = ([0] * size + sequence[: place + 1])[-size:]
        image = [weights["items.weight"][item] for item in recent]
        found = []
        for height in range(1, size + 1):
            for filter_, bias in zip(
                weights[f"horizontal.{height - 1}.weight"], weights[f"horizontal.{height - 1}.bias"], strict=True
            ):
                slid = [
                    float(filter_ @ torch.cat(image[top : top + height]) + bias) for top in range(size - height + 1)
                ]
                found.append(max(max(value, 0.0) for value in slid))
        for column in range(len(image[0])):
            for filter_, bias in zip(weights["vertical.weight"], weights["vertical.bias"], strict=True):
                found.append(float(sum(filter_[row] * image[row][column] for row in range(size)) + bias))
        states.append(linear(torch.tensor(found), weights, "output").clamp(min=0))
    return torch.stack(states)


def hgn_states(network: HGN, sequence: list[int]) -> Tensor:
    """(T, D), item by item of each window; the places of a short window are its last ones."""
    weights, size = weights_of(network), network.window
    states = []
    for place in range(len(sequence)):
        recent = sequence[: place + 1][-size:]
        vectors = [weights["items.weight"][item] for item in recent]
        gated = [vector * sigmoid(linear(vector, weights, "feature_gate")) for vector in vectors]
        offsets = weights["places"][size - len(recent) :]
        scores = [sigmoid(weights["instance_gate.weight"][0] @ g + c) for g, c in zip(gated, offsets, strict=True)]
        group = sum(score * g for score, g in zip(scores, gated, strict=True)) / sum(scores)
        states.append(weights["user"] + group + sum(vectors))
    return torch.stack(states)


def circular_filter(layer: FilterLayer, hidden: Tensor) -> Tensor:
    """FMLP-Rec's filter as published: the whole sequence (n, D), left-padded with zeros, times the spectrum."""
    padded = torch.cat([torch.zeros(layer.length - len(hidden), hidden.shape[1]), hidden])
    spectrum = torch.complex(layer.spectrum[..., 0].detach(), layer.spectrum[..., 1].detach())
    filtered = torch.fft.irfft(torch.fft.rfft(padded, dim=0) * spectrum, n=layer.length, dim=0)
    return filtered[len(padded) - len(hidden) :]


def hstu_states(network: HSTU, sequence: list[int], times: list[int] | None = None) -> Tensor:
    """(T, D), one pair of positions and one head at a time."""
    weights = weights_of(network)
    scale = math.sqrt(network.item_embeddings.shape[1])
    hidden = [weights["items.weight"][item] * scale for item in sequence]
    hidden = [vector + weights["positions.weight"][place] for place, vector in enumerate(hidden)]
    for number, layer in enumerate(network.layers):
        part = weights_of(network, f"layers.{number}.")
        split = []
        for vector in hidden:
            projected = part["projection.weight"] @ normalised(vector, part, "input_norm", 1e-6)
            split.append((projected * sigmoid(projected)).view(4, layer.n_heads, -1))
        after = []
        for place, vector in enumerate(hidden):
            heads = []
            for head in range(layer.n_heads):
                mixed = 0
                for key in range(place + 1):
                    score = float(split[place][2, head] @ split[key][3, head])
                    score += float(part["distances.weight"][place - key])
                    if times is not None:
                        bucket = min(128, int(math.log(max(1, times[place] - times[key])) / 0.301))
                        score += float(part["times.weight"][bucket])
                    silu = score / (1 + math.exp(-score))
                    mixed = mixed + silu / layer.max_history * split[key][1, head]
                heads.append(mixed)
            gates = split[place][0].reshape(-1)
            gated = normalised(torch.cat(heads), part, "attention_norm", 1e-6) * gates
            after.append(vector + linear(gated, part, "output"))
        hidden = after
    return torch.stack([normalised(vector, weights, "norm") for vector in hidden])


def weights_of(module: torch.nn.Module, prefix: str = "") -> dict[str, Tensor]:
    """The weights whose names begin so, without that beginning."""
    named = module.state_dict().items()
    return {name.removeprefix(prefix): value for name, value in named if name.startswith(prefix)}


def embedded(weights: dict[str, Tensor], sequence: list[int], items: str, positions: str, norm: str) -> list[Tensor]:
    """Normalised sums of item and position embeddings; the last item has position 0."""
    places = reversed(range(len(sequence)))
    return [
        normalised(weights[f"{items}.weight"][item] + weights[f"{positions}.weight"][place], weights, norm)
        for item, place in zip(sequence, places, strict=True)
    ]


def linear(vector: Tensor, weights: dict[str, Tensor], name: str) -> Tensor:
    """W x + b."""
    return weights[f"{name}.weight"] @ vector + weights[f"{name}.bias"]


def normalised(vector: Tensor, weights: dict[str, Tensor], name: str, eps: float = 1e-5) -> Tensor:
    """Layer normalisation."""
    centred = vector - vector.mean()
    return centred / torch.sqrt((centred**2).mean() + eps) * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def gelu(value: float) -> float:
    """x Phi(x)."""
    return value * 0.5 * (1 + math.erf(value / math.sqrt(2)))


def sigmoid(value: Tensor) -> Tensor:
    """1 / (1 + e^-x)."""
    return 1 / (1 + torch.exp(-value))
