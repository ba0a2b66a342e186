"""One line on what a next-item network reads beside item ids, where neither its name nor an error says it."""

import logging

import numpy as np

from tigerlite.data.dataset import RecDataset
from tigerlite.recommenders.nextitem_config import NextItemConfig

log = logging.getLogger(__name__)


def log_inputs(config: NextItemConfig, dataset: RecDataset, *, pretrained: bool) -> None:
    """Say whether HSTU reads times and why (not), and that S3-Rec reads no features without its pre-training.

    Args:
        pretrained: whether training starts from a trained model.
    """
    if config.network == "hstu":
        _log_times(time_bias=config.hstu.time_bias, dataset=dataset)
    elif config.network == "s3rec" and config.objective == "next_item" and not pretrained:
        log.info(
            "s3rec without pre-training reads item ids alone; features are read with pretrain.enabled=true and "
            "pretrain.nextitem.objective=self_supervised, see configs/models/s3rec.yaml"
        )


def counts_interactions(dataset: RecDataset) -> bool:
    """Whether no interaction of any user lies more than 1 after the one before: times that are positions, not seconds."""
    gaps = np.diff(dataset.times)
    return not (np.delete(gaps, dataset.offsets[1:-1] - 1) > 1).any()


def _log_times(*, time_bias: bool, dataset: RecDataset) -> None:
    if not time_bias:
        unread = dataset.times is not None and not counts_interactions(dataset)
        log.info("hstu reads positions alone: hstu.time_bias=false%s", ", though the data have times" * unread)
    elif dataset.times is None:
        log.info("hstu reads positions alone: the data have no times")
    elif counts_interactions(dataset):
        log.warning(
            "hstu reads the times of interactions, but no two neighbours of any user are more than 1 apart: positions rather "
            "than seconds, which the position bias knows already; set hstu.time_bias=false"
        )
    else:
        log.info("hstu reads positions and the times of interactions; give times when you ask it, too")
