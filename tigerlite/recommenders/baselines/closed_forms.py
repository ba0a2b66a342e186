"""The recommenders that are counted, not trained, by name."""

from tigerlite.data.dataset import RecDataset
from tigerlite.recommenders.baselines.itemknn import ItemKNN, ItemKNNConfig
from tigerlite.recommenders.baselines.popularity import Popularity
from tigerlite.recommenders.baselines.recent import Recent

CLOSED_FORMS = ("popularity", "recent", "itemknn")


def closed_form(name: str, dataset: RecDataset, itemknn: ItemKNNConfig) -> Popularity | ItemKNN:
    """Count the training part of every sequence.

    Args:
        name: one of `CLOSED_FORMS`.
        dataset: what to count.
        itemknn: settings of item-kNN, the only one that has any.
    """
    if name == "itemknn":
        return ItemKNN.fit(dataset, itemknn)
    return {"popularity": Popularity, "recent": Recent}[name].fit(dataset)
