"""Which data sets a study's command is about: its own, or the one whose config file is given."""

from collections.abc import Sequence
from pathlib import Path

from tigerlite.config import ConfigError
from tigerlite.studies.plan import Study
from tigerlite.yaml_file import read_yaml

GIVEN = "--config="


def dataset_names(study: Study, chosen: str | None, flags: Sequence[str]) -> list[str]:
    """The data sets to run on: the one named, the one whose config file is given, or all of the study's.

    Args:
        chosen: a name, or None.
        flags: of the pipeline; a `--config` file is of a data set if it is named like one of the study's or sets `prepare`.

    Raises:
        ConfigError: if there is none.
    """
    files = [Path(flag.removeprefix(GIVEN)) for flag in flags if flag.startswith(GIVEN)]
    known = list(study.config.datasets)
    if chosen is not None:
        if chosen not in known and not files:
            raise ConfigError(
                f"data set '{chosen}' is not in study '{study.name}'; known: {', '.join(known) or 'none'}"
            )
        return [chosen]
    of_data = [file.stem for file in files if file.stem in known or sets_data(file)]
    if of_data:
        return of_data[:1]
    if not known:
        raise ConfigError(f"study '{study.name}' names no data set; give its file: --config=configs/datasets/NAME.yaml")
    return known


def sets_data(file: Path) -> bool:
    """Whether a config file says what data to prepare, as those of data sets do and presets and methods do not.

    Raises:
        ConfigError: if there is no such file.
    """
    try:
        values = read_yaml(file, "config file")
    except ConfigError:
        if not file.exists():
            raise
        return False  # what is wrong with it is said where it is parsed
    return any(str(key).split(".")[0] == "prepare" for key in values)
