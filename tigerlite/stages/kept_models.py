"""The models that a pre-training kept of some of its epochs (`tiger.keep_epochs`), as what fine-tuning starts from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tigerlite.callbacks.kept_epochs import epoch_folder
from tigerlite.config import InputError, fingerprint
from tigerlite.recommenders.base import Recommender
from tigerlite.recommenders.saved import load_recommender


@dataclass(frozen=True)
class KeptModels:
    """One model per epoch of the same training."""

    of_epoch: dict[int, Recommender]

    @property
    def fingerprint(self) -> str:
        """Changes with the weights of any of them."""
        return fingerprint([[epoch, model.fingerprint] for epoch, model in self.of_epoch.items()])


def kept_models(folder: Path, epochs: Sequence[int]) -> KeptModels:
    """Load the models after `epochs` from a stage's folder.

    Raises:
        InputError: if the stage did not reach one of the epochs or did not keep it.
    """
    missing = [epoch for epoch in epochs if not epoch_folder(folder, epoch).is_dir()]
    if missing:
        raise InputError(
            f"{folder} holds no model after epoch {missing[0]}, which identifiers.start_epochs={list(epochs)} asks for: the "
            "training ended before it; name epochs that it reaches"
        )
    return KeptModels({epoch: load_recommender(epoch_folder(folder, epoch)) for epoch in epochs})
