"""A finished run, ready to recommend: external ids in, external ids, titles and scores out."""

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from tigerlite.artifacts import verify
from tigerlite.config import InputError
from tigerlite.data.dataset import RecDataset
from tigerlite.evaluation.result_files import METRICS, read_results
from tigerlite.recommenders.base import Recommender
from tigerlite.recommenders.generative import GenerativeRecommender
from tigerlite.recommenders.new_item_share import NewItemShare
from tigerlite.recommenders.saved import load_recommender
from tigerlite.recommenders.soft_reader import SoftReader
from tigerlite.run_file import read_run
from tigerlite.tokenizers.saved import load_tokenizer

if TYPE_CHECKING:
    from tigerlite.tokenizers.new_items import FrozenTokenizer


@dataclass(frozen=True)
class Recommended:
    """The answer to one history: parallel lists, best first, and the ids of the history that the catalogue does not have."""

    items: list[str]
    titles: list[str]
    scores: list[float]
    unknown: list[str]


class Predictor:
    """Answers histories of external item ids with a trained recommender.

    Args:
        model: the recommender.
        item_ids: external id of item 1..N.
        titles: title of item 1..N.
        tokenizer: folder of what made the identifiers; None where there is none.
    """

    def __init__(
        self, model: Recommender, item_ids: Sequence[str], titles: Sequence[str], tokenizer: Path | None = None
    ) -> None:
        self.model = model
        self.item_ids = list(item_ids)
        self.titles = list(titles)
        self._tokenizer = tokenizer
        self._n_trained = len(self.item_ids)
        self._items = {external: item for item, external in enumerate(self.item_ids, start=1)}

    @classmethod
    def load(cls, run: str | Path) -> "Predictor":
        """Load a finished run: the output folder of a pipeline, or its `run.json`. It decodes as it was evaluated, if it was
        (`evaluate.decoding`, `evaluate.n_beams`), otherwise by a beam of 50.

        Raises:
            InputError: if there is no finished run, or its files were altered.
        """
        folders = read_run(Path(run))
        trained = [stage for stage in ("calibrate", "finetune", "pretrain") if stage in folders]
        if not trained:
            raise InputError(f"{run} names no trained recommender; run the pipeline with --until=finetune or further")
        model_folder = folders[trained[0]]
        for folder in (folders["prepare"], model_folder):
            verify(folder)
        dataset = RecDataset.load(folders["prepare"])
        model = load_recommender(model_folder)
        if "evaluate" in folders and isinstance(model, GenerativeRecommender):
            settings = read_results(folders["evaluate"], METRICS)["settings"]
            model.decoding, model.n_beams = settings["decoding"], settings["n_beams"]
        return cls(model, dataset.item_ids, dataset.titles, folders.get("tokenize"))

    def recommend(
        self,
        histories: Sequence[Sequence[str]],
        k: int = 10,
        exclude_history: bool = False,
        times: Sequence[Sequence[int]] | None = None,
        *,
        new_item_share: float = 0.0,
        new_item_codes: int | None = None,
    ) -> list[Recommended]:
        """The k best items for each history of external item ids, oldest first.

        Unknown ids are skipped, with their times, and reported in `Recommended.unknown`. Fewer than k items come back where
        the catalogue (less the history, if excluded) or the beam has no more.

        Args:
            times: whole seconds of the interactions, one for each id, not falling; None = unknown. Models that read no
                times ignore them.
            new_item_share: largest share of a list for items of `add_items`, see `recommenders/new_item_share.py`; 0 = what
                the model writes, which is hardly ever one of them.
            new_item_codes: first codes that they must share with a recommended item; None = all but the last.

        Raises:
            InputError: if k < 1, a history has no known item, times do not fit the histories, or the model cannot make room
                for new items.
        """
        if k < 1:
            raise InputError(f"k={k} is out of range; allowed: an integer >= 1")
        known, unknown = [], []
        for number, history in enumerate(histories, start=1):
            if isinstance(history, str):
                raise InputError(f"history {number} is the text {history!r}; give a list of item ids for each user")
            ids = [str(item) for item in history]
            known.append([self._items[item] for item in ids if item in self._items])
            unknown.append([item for item in ids if item not in self._items])
            if not known[-1]:
                shown = ", ".join(ids[:5]) or "it is empty"
                raise InputError(
                    f"history {number} has no item of the catalogue ({shown}); give at least one known item id"
                )
        moments = None if times is None else self._known_times(histories, times)
        if not known:
            return []
        read = None if moments is None else _padded(moments)
        model = self.model
        if new_item_share:
            added = range(self._n_trained + 1, len(self.item_ids) + 1)
            model = NewItemShare(model, added, new_item_share, new_item_codes)
        ranked, scores = model.recommend(_padded(known), min(k, len(self.item_ids)), read, exclude_history)
        return [
            self._answer(items, values, missing)
            for items, values, missing in zip(ranked.tolist(), scores.tolist(), unknown, strict=True)
        ]

    def add_items(
        self,
        item_ids: Sequence[str],
        embeddings: torch.Tensor,
        tokenizer: "FrozenTokenizer | None" = None,
        titles: Sequence[str] | None = None,
    ) -> None:
        """Make items recommendable that came after training; the model's weights stay as they are.

        Args:
            item_ids: external ids, none of them known.
            embeddings: (n, D), made as those that the tokenizer was trained on.
            tokenizer: what made the run's identifiers; None takes the run's own.
            titles: what to show; None shows the ids.

        Raises:
            InputError: if the model cannot take new items, ids and embeddings do not fit, the tokenizer is another one, or there
                is no room for an item.
        """
        if not hasattr(self.model, "add_items"):
            raise InputError(
                f"{self.model.name} cannot recommend items that it was not trained on; train it again, or use tiger"
            )
        ids, shown = [str(item) for item in item_ids], [str(title) for title in titles or item_ids]
        if len(set(ids)) < len(ids) or not self._items.keys().isdisjoint(ids):
            repeated = next(item for place, item in enumerate(ids) if item in self._items or item in ids[:place])
            raise InputError(f"item id '{repeated}' is already in the catalogue; give every new item an id of its own")
        if not len(ids) == len(shown) == len(embeddings):
            raise InputError(
                f"got {len(ids)} ids, {len(shown)} titles and {len(embeddings)} embeddings; give one of each per item"
            )
        self.model.add_items(embeddings, tokenizer or self._own_tokenizer())
        self.item_ids += ids
        self.titles += shown
        self._items = {external: item for item, external in enumerate(self.item_ids, start=1)}

    def _own_tokenizer(self) -> "FrozenTokenizer":
        if isinstance(self.model, SoftReader):
            return self.model.tokenizer
        if self._tokenizer is None:
            raise InputError("this run has no tokenizer; give the one that made its identifiers")
        verify(self._tokenizer)
        return load_tokenizer(self._tokenizer)

    def _known_times(self, histories: Sequence[Sequence[str]], times: Sequence[Sequence[int]]) -> list[list[int]]:
        """The times of the items that the catalogue has."""
        if len(times) != len(histories):
            raise InputError(
                f"got {len(histories)} histories and times of {len(times)}; give times for each, or for none"
            )
        found = []
        for number, (history, moments) in enumerate(zip(histories, times, strict=True), start=1):
            if len(moments) != len(history):
                raise InputError(
                    f"history {number} has {len(history)} items and {len(moments)} times; give one time for each item"
                )
            pairs = zip(history, moments, strict=True)
            found.append([_seconds(moment, number) for item, moment in pairs if str(item) in self._items])
        return found

    def _answer(self, items: list[int], scores: list[float], unknown: list[str]) -> Recommended:
        filled = [(item, score) for item, score in zip(items, scores, strict=True) if item]
        return Recommended(
            items=[self.item_ids[item - 1] for item, _ in filled],
            titles=[self.titles[item - 1] for item, _ in filled],
            scores=[score for _, score in filled],
            unknown=unknown,
        )


def _padded(rows: Sequence[Sequence[int]]) -> torch.Tensor:
    """(B, T) int64, each row right-padded with 0 to the longest."""
    padded = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.int64)
    for place, row in enumerate(rows):
        padded[place, : len(row)] = torch.tensor(row)
    return padded


def _seconds(moment: int, number: int) -> int:
    """A time as int, of history `number`."""
    try:
        seconds = operator.index(moment)
    except TypeError:
        seconds = None
    if seconds is None or abs(seconds) >= 2**63:
        raise InputError(f"history {number} has the time {moment!r}; give whole seconds (Unix time)")
    return seconds
