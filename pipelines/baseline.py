"""A classic recommender from interactions to evaluated, served recommendations: prepare, train, evaluate, show.

    python pipelines/baseline.py --config=configs/demo.yaml --config=configs/models/sasrec.yaml
    python pipelines/baseline.py --config=configs/datasets/yelp_letter.yaml --prepare.folder=FOLDER/yelp \\
        --config=configs/models/gru4rec.yaml --trainer.precision=bf16-mixed

The chain is that of `tigerlite/stages/pipeline.py` without the stages that make identifiers; a method is
`finetune.method` (nextitem, itemknn, recent, popularity) and `finetune.nextitem.network`.
"""

from tiger import main as train_and_show  # the script beside this one

from tigerlite.command_line import run
from tigerlite.config import ConfigError
from tigerlite.stages.pipeline_config import PipelineConfig


def main(config: PipelineConfig) -> None:
    """Run the chain and print what it found.

    Raises:
        ConfigError: if the method is a generative one.
    """
    if config.finetune.needs_identifiers:
        raise ConfigError(
            f"finetune.method={config.finetune.method} reads identifiers; use pipelines/tiger.py, or give "
            "--config=configs/models/sasrec.yaml (gru4rec, recent, itemknn, popularity)"
        )
    train_and_show(config)


if __name__ == "__main__":
    run(
        main,
        PipelineConfig,
        program="pipelines/baseline.py",
        description="The whole pipeline for one classic recommender.",
    )
