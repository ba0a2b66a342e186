"""A plain iterable of batches with a length, which a Trainer takes for a loader."""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

Part = TypeVar("Part")
AnyBatch = TypeVar("AnyBatch")


class BatchSequence(Generic[Part, AnyBatch]):
    """An iterable of batches with a length.

    Args:
        parts: asked for what each batch holds whenever a pass begins, when its first batch is.
        gather: makes a batch of it.
        n_batches: the length of a whole pass.
        begin: how many batches the pass leaves out.
    """

    def __init__(
        self,
        parts: Callable[[], list[Part]],
        gather: Callable[[Part], AnyBatch],
        n_batches: int,
        begin: Callable[[], int] = int,
    ) -> None:
        self._parts = parts
        self._gather = gather
        self._n_batches = n_batches
        self._begin = begin

    def __len__(self) -> int:
        return self._n_batches

    def __iter__(self) -> Iterator[AnyBatch]:
        for part in self._parts()[self._begin() :]:
            yield self._gather(part)

    def state_dict(self) -> dict[str, int]:
        """Nothing: the Trainer's count says where to begin. Lightning warns where a loader has no such method."""
        return {}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Nothing."""
