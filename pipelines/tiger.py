"""Interactions and titles in, recommended titles out: prepare, encode, tokenize, train, evaluate, show.

    python pipelines/tiger.py --config=configs/demo.yaml
    python pipelines/tiger.py --config=configs/datasets/yelp_letter.yaml --prepare.folder=FOLDER/yelp --until=tokenize
    fabric run --devices=2 --strategy=ddp pipelines/tiger.py --config=configs/demo.yaml

The chain itself reads top to bottom in `tigerlite/stages/pipeline.py`.
"""

import logging
import sys

from tigerlite.command_line import run
from tigerlite.distributed import is_rank_zero
from tigerlite.evaluation.figure import save_figure
from tigerlite.evaluation.report import print_run
from tigerlite.stages.pipeline import train
from tigerlite.stages.pipeline_config import PipelineConfig


def main(config: PipelineConfig) -> None:
    """Run the chain and print what it found."""
    logging.basicConfig(
        level=logging.INFO if is_rank_zero() else logging.ERROR, format="%(message)s", stream=sys.stdout
    )
    result = train(config)
    if is_rank_zero():
        print_run(result.folders)
        save_figure(result.folders)


if __name__ == "__main__":
    run(
        main,
        PipelineConfig,
        program="pipelines/tiger.py",
        description="The whole pipeline for one generative recommender.",
    )
