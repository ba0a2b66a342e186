"""UniGRec from interactions and titles to recommended titles: prepare, encode, teach, tokenize, train, evaluate, show.

    python pipelines/unigrec.py --config=configs/demo.yaml --config=configs/hardware/cpu_small.yaml
    python pipelines/unigrec.py --config=configs/datasets/office.yaml --prepare.folder=FOLDER/office --pretrain.tiger.epochs=80
    python pipelines/unigrec.py --config=configs/demo.yaml --config=configs/models/unigrec_released.yaml

After the first config, that of the data set, comes `configs/models/unigrec.yaml`, unless another file of a folder `models` is
given.
The chain itself reads top to bottom in `tigerlite/stages/pipeline.py`.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from tiger import main as train_and_show  # the script beside this one

from tigerlite.command_line import guard, parse
from tigerlite.config import ConfigError
from tigerlite.stages.pipeline_config import PipelineConfig

MODEL = Path(__file__).resolve().parent.parent / "configs" / "models" / "unigrec.yaml"


def main(argv: Sequence[str]) -> None:
    """Run the chain and print what it found.

    Raises:
        ConfigError: if no stage trains a UniGRec.
    """
    flags = with_model(argv)
    config = parse(PipelineConfig, flags, program="pipelines/unigrec.py", description="The whole pipeline for UniGRec.")
    methods = [stage.method for stage in (config.pretrain, config.finetune) if stage.enabled]
    if "unigrec" not in methods:
        raise ConfigError(
            f"finetune.method={config.finetune.method} is no UniGRec; use pipelines/tiger.py (or baseline.py), or give "
            "--config=configs/models/unigrec.yaml"
        )
    train_and_show(config)


def with_model(argv: Sequence[str]) -> list[str]:
    """The command line with UniGRec's config after the first one, unless it names a model's config itself."""
    files = [place for place, flag in enumerate(argv) if flag.endswith(".yaml")]
    if any(Path(argv[place]).parent.name == "models" for place in files):
        return list(argv)
    first = files[0] + 1 if files else 0
    return [*argv[:first], f"--config={MODEL}", *argv[first:]]


if __name__ == "__main__":
    guard(lambda: main(sys.argv[1:]))
