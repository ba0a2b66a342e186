"""Hierarchical k-means: a tree of clusters; an item's codes are the numbers of the children on its way down.

The top level clusters all items, every further level clusters each parent's items among themselves, so a prefix is a
cluster of what follows, and code 3 below one parent has nothing to do with code 3 below another. A parent whose
distinct items are no more than the codes of the level gives each a child of its own and leaves the other codes empty:
with N items, sizes whose product is far above N make the last levels say little. Below a parent of one distinct item the
rest of the path is 0.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from torch import Tensor, nn

from tigerlite.config import InputError, to_dict
from tigerlite.tokenizers.additive import META, WEIGHTS, nearest
from tigerlite.tokenizers.kmeans import kmeans
from tigerlite.tokenizers.levels import check_levels
from tigerlite.tokenizers.normalise import checked_embeddings, empty_normaliser, fit_normaliser


@dataclass(frozen=True, kw_only=True)
class HierarchicalConfig:
    """A tree of k-means."""

    codebook_sizes: tuple[int, ...] = (32, 32, 32)
    """Most children per parent, level by level; their product should not be far above the number of items."""
    whiten: int = 0
    """Principal directions kept by whitening; 0 = off."""
    standardise: bool = True
    """Without whitening: centre the embeddings and scale them to average variance 1; changes no clustering."""
    iterations: int = 50
    """Of every k-means."""
    seed: int = 0
    """Of the starting centroids."""

    def __post_init__(self) -> None:
        check_levels(self.codebook_sizes, whiten=self.whiten, iterations=self.iterations, seed=self.seed)


class HierarchicalTokenizer:
    """Normalises and goes down the tree to the nearest child at every level.

    Args:
        config: sizes of the levels and first step.
        n_dimensions: width D of the embeddings.
        normalise: fitted first step, to width d.
        levels: per level the centroids (nodes, d), children of one parent side by side, parents in order.
        starts: per level the row (parents + 1,) at which the children of each parent start.
    """

    def __init__(
        self,
        config: HierarchicalConfig,
        *,
        n_dimensions: int,
        normalise: nn.Module,
        levels: list[np.ndarray],
        starts: list[np.ndarray],
    ) -> None:
        self.config, self.n_dimensions, self.normalise = config, n_dimensions, normalise
        self.levels, self.starts = levels, starts

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """Codes per level."""
        return self.config.codebook_sizes

    def encode(self, embeddings: Tensor | np.ndarray) -> Tensor:
        """Codes (N, L) int64 of embeddings (N, D), normalisation included.

        Raises:
            InputError: if the embeddings are not finite or of another width.
        """
        latents = self.latents(embeddings)
        node, codes = np.zeros(len(latents), dtype=np.int64), []
        for centroids, starts in zip(self.levels, self.starts, strict=True):
            code = np.empty(len(latents), dtype=np.int64)
            for parent, rows in _by_value(node):
                code[rows] = _nearest_child(latents[rows], centroids[starts[parent] : starts[parent + 1]])
            codes.append(code)
            node = starts[node] + code
        return torch.from_numpy(np.stack(codes, axis=1))

    @torch.no_grad()
    def latents(self, embeddings: Tensor | np.ndarray) -> Tensor:
        """Normalised embeddings, (N, d)."""
        return self.normalise(checked_embeddings(embeddings, self.n_dimensions))

    def space(self, embeddings: Tensor | np.ndarray) -> "TreeSpace":
        """Where codes of these items lie near each other."""
        return TreeSpace(self, self.latents(embeddings).numpy())

    def save(self, folder: Path) -> None:
        """Write the tree and the first step; `load` reads them back."""
        state = {f"normalise.{name}": tensor.numpy() for name, tensor in self.normalise.state_dict().items()}
        for level, (centroids, starts) in enumerate(zip(self.levels, self.starts, strict=True)):
            state |= {f"centroids.{level}": np.ascontiguousarray(centroids), f"starts.{level}": starts}
        save_file(state, Path(folder) / WEIGHTS)
        meta = {"kind": "hierarchical", "config": to_dict(self.config), "n_dimensions": self.n_dimensions}
        (Path(folder) / META).write_text(json.dumps(meta, indent=1) + "\n")

    @classmethod
    def load(cls, folder: Path) -> "HierarchicalTokenizer":
        """The tokenizer that `save` wrote."""
        meta = json.loads((Path(folder) / META).read_text())
        config = HierarchicalConfig(**meta["config"] | {"codebook_sizes": tuple(meta["config"]["codebook_sizes"])})
        state = load_file(Path(folder) / WEIGHTS)
        normalise = empty_normaliser(meta["n_dimensions"], whiten=config.whiten, standardise=config.standardise)
        first = {name: torch.from_numpy(state[f"normalise.{name}"]) for name in normalise.state_dict()}
        normalise.load_state_dict(first)
        return cls(
            config,
            n_dimensions=meta["n_dimensions"],
            normalise=normalise,
            levels=[state[f"centroids.{level}"] for level in range(len(config.codebook_sizes))],
            starts=[state[f"starts.{level}"] for level in range(len(config.codebook_sizes))],
        )


class TreeSpace:
    """Squared distances of latents (N, d) to the children of a node; see `space.Space`."""

    def __init__(self, tree: HierarchicalTokenizer, latents: np.ndarray) -> None:
        self._tree, self._latents = tree, latents

    def distances(self, items: np.ndarray, prefixes: np.ndarray) -> np.ndarray:
        """(n, K); infinite for codes without a child, and below them for all codes."""
        depth = prefixes.shape[1]
        found = np.full((len(items), self._tree.codebook_sizes[depth]), np.inf)
        for row, (item, prefix) in enumerate(zip(items, prefixes, strict=True)):
            children = self._children(prefix)
            found[row, : len(children)] = np.square(self._latents[item].astype(np.float64) - children).sum(axis=1)
        return found

    def first_choices(self, items: np.ndarray, prefixes: np.ndarray, n_choices: int) -> np.ndarray:
        """(n, m) nearest codes in order."""
        return np.argsort(self.distances(items, prefixes), axis=1, kind="stable")[:, :n_choices]

    def _children(self, prefix: np.ndarray) -> np.ndarray:
        node = 0
        for level, code in enumerate(prefix.tolist()):
            starts = self._tree.starts[level]
            if code >= starts[node + 1] - starts[node]:
                return np.empty((0, self._latents.shape[1]))
            node = starts[node] + code
        starts = self._tree.starts[len(prefix)]
        return self._tree.levels[len(prefix)][starts[node] : starts[node + 1]]


def fit(embeddings: Tensor | np.ndarray, config: HierarchicalConfig) -> HierarchicalTokenizer:
    """The tokenizer of embeddings (N, D).

    Raises:
        InputError: if there are fewer items than codes at the top level, or the embeddings are not finite.

    >>> rows = np.array([[0.0], [1.0], [8.0], [9.0]], dtype=np.float32)
    >>> len(fit(rows, HierarchicalConfig(codebook_sizes=(2, 2))).encode(rows).unique(dim=0))
    4
    """
    rows = checked_embeddings(embeddings)
    section, n_top = "tokenize.hierarchical", config.codebook_sizes[0]
    if len(rows) < n_top:
        raise InputError(
            f"{len(rows)} items cannot fill {n_top} codes; set {section}.codebook_sizes to at most {len(rows)} codes at the top"
        )
    normalise = fit_normaliser(rows, whiten=config.whiten, standardise=config.standardise, section=section)
    latents = normalise(rows)
    node, levels, all_starts = np.zeros(len(rows), dtype=np.int64), [], []
    for level, size in enumerate(config.codebook_sizes):
        codes, parents = np.empty(len(rows), dtype=np.int64), []
        for _, inside in _by_value(node):
            children, codes[inside] = _children_of(latents[inside], size, config, level)
            parents.append(children)
        starts = np.cumsum([0, *(len(children) for children in parents)])
        node = starts[node] + codes
        levels.append(np.concatenate(parents))
        all_starts.append(starts)
    return HierarchicalTokenizer(
        config, n_dimensions=rows.shape[1], normalise=normalise, levels=levels, starts=all_starts
    )


def _children_of(points: Tensor, size: int, config: HierarchicalConfig, level: int) -> tuple[np.ndarray, np.ndarray]:
    """Centroids (at most K, d) of the items of one parent, and the child of each item; none is without items."""
    distinct, child = np.unique(points.numpy(), axis=0, return_inverse=True)
    if len(distinct) <= size:
        return distinct, child.ravel()
    centroids = kmeans(distinct, size, seed=config.seed + level, n_iterations=config.iterations)
    used, child = np.unique(_nearest_child(points, centroids), return_inverse=True)
    return centroids[used], child


def _nearest_child(points: Tensor, centroids: np.ndarray) -> np.ndarray:
    """Row (B,) of the nearest centroid, measured from their middle: siblings deep in the tree differ by little."""
    children = torch.from_numpy(centroids)
    middle = children.mean(dim=0)
    return nearest(points - middle, children - middle).numpy()


def _by_value(node: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """Every value with the rows that have it, ascending."""
    order = np.argsort(node, kind="stable")
    values, starts = np.unique(node[order], return_index=True)
    return list(zip(values.tolist(), np.split(order, starts[1:]), strict=True))
