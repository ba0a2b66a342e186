"""What a study runs: rows x data sets x seeds, each cell one config of the pipeline.

A study file names rows; each row is what it changes, as nested sections or dotted keys, plus config files under
`configs` (paths relative to the study file). A cell's config is layered as on the pipeline's command line, later wins:

    files:   --config=FILE flags, the data set's, the row's, the study's (presets)
    values:  the study's, the data set's, the row's, the row's on that data set, then the flags of the command line
    seed:    last
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tigerlite.command_line import parse
from tigerlite.config import ConfigError, check, check_choice, decisive, fingerprint, reseeded, to_dict
from tigerlite.losses.token_weights.fitted import TokenWeights
from tigerlite.stages import calibrate, encode, evaluate, fuse, prepare, recommend, tokenize
from tigerlite.stages.pipeline_config import PipelineConfig
from tigerlite.stages.sources import source_of

FILES, PUBLISHED, ROWS = "configs", "published", "rows"
SEEDED = ("recommender", "tokenizer")


@dataclass(frozen=True, kw_only=True)
class StudyConfig:
    """A study file."""

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Name -> what the row changes; the key `configs` of a row is a list of config files."""
    baseline: str = ""
    """Row that the others are compared with; empty = the first."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """One run per row and seed."""
    seeds_set: str = "recommender"
    """recommender (initialisation, order, dropout; the identifiers stay as they are) or tokenizer (that as well)."""
    configs: tuple[str, ...] = ()
    """Config files that hold for all rows: presets."""
    values: dict[str, Any] = field(default_factory=dict)
    """Values that hold for all rows."""
    datasets: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Name -> a data set's values and `configs`; `prepare.folder` is relative to --data. Empty: --config names the data.
    `published` holds figures of papers, method -> metric -> value, that are shown below the measured rows; `rows` what single
    rows change on this data set alone, null where a method does not apply to it."""

    def __post_init__(self) -> None:
        check(len(self.rows) > 0, "rows", self.rows, "at least one row")
        check_choice("baseline", self.baseline or next(iter(self.rows)), tuple(self.rows))
        check(len(set(self.seeds)) == len(self.seeds) > 0, "seeds", self.seeds, "different integers, at least one")
        check_choice("seeds_set", self.seeds_set, SEEDED)
        for name, dataset in self.datasets.items():
            for row, changes in (dataset.get(ROWS) or {}).items():
                check_choice(f"datasets.{name}.rows", row, tuple(self.rows))
                kept = changes is not None or row != self.baseline_row
                check(
                    kept, f"datasets.{name}.rows.{row}", None, "values, since the other rows are compared with this one"
                )

    @property
    def baseline_row(self) -> str:
        """Name of the row that the others are compared with."""
        return self.baseline or next(iter(self.rows))


@dataclass(frozen=True)
class Study:
    """A study file with its name and place."""

    name: str
    folder: Path
    """What relative paths in it start from."""
    config: StudyConfig


@dataclass(frozen=True)
class Job:
    """One cell: a row with a seed on a data set."""

    row: str
    dataset: str
    seed: int
    config: PipelineConfig
    key: str
    """Names everything that can change the result: settings, input files, versions of the stages."""


def read_study(file: Path) -> Study:
    """The study in a YAML file; its name is the file's.

    Raises:
        ConfigError: if the file is missing or says something that a study cannot hold.
    """
    config = parse(StudyConfig, [f"--config={file}"], program="study")
    return Study(file.stem, file.parent, config)


def with_preset(study: Study, preset: Path) -> Study:
    """The study with a config file in the place of the presets that hold for all its rows."""
    return dataclasses.replace(study, config=dataclasses.replace(study.config, configs=(str(preset.resolve()),)))


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested sections as dotted keys.

    >>> flatten({"finetune.tiger": {"epochs": 2, "t5": {"d_model": 64}}})
    {'finetune.tiger.epochs': 2, 'finetune.tiger.t5.d_model': 64}
    """
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def published(study: Study, dataset: str) -> dict[str, dict[str, float]]:
    """Figures of papers on a data set: method -> metric -> value.

    Raises:
        ConfigError: if a value is not a number.
    """
    found = study.config.datasets.get(dataset, {}).get(PUBLISHED, {})
    for method, values in found.items():
        if not isinstance(values, Mapping) or not all(isinstance(value, float) for value in values.values()):
            raise ConfigError(f"published.{method}={values!r} of data set '{dataset}' must map metrics to numbers")
    return found


def plan(study: Study, dataset: str, flags: Sequence[str] = (), *, data: Path | None = None) -> list[Job]:
    """The runs of a study on one data set, seed by seed, so that every row has a result early.

    Args:
        dataset: a name under `datasets`, or any name where `flags` hold the data set's config file.
        flags: command line of the pipeline; its values hold for all rows.
        data: folder that the data sets' `prepare.folder` is relative to.

    Raises:
        ConfigError: if a row does not make a config, two rows make the same one, or rows could not share a table.
    """
    left_out = {row for row, changes in _rows_here(study, dataset).items() if changes is None}
    rows = [row for row in study.config.rows if row not in left_out]
    configs = {row: _row_config(study, row, dataset, flags, data) for row in rows}
    _refuse_incomparable(configs)
    out = configs[study.config.baseline_row].out  # one folder, so that rows share finished stages
    data_source = prepare.inputs_fingerprint(configs[study.config.baseline_row].prepare)
    sources = {row: [data_source, *_sources(config)] for row, config in configs.items()}
    jobs = []
    for seed in study.config.seeds:
        for row, config in configs.items():
            seeded = with_seed(dataclasses.replace(config, out=out), seed, study.config.seeds_set)
            jobs.append(Job(row, dataset, seed, seeded, _key(seeded, sources[row])))
    return jobs


def with_seed(config: PipelineConfig, seed: int, seeds_set: str) -> PipelineConfig:
    """The config with its seed: of the recommender's stages alone, or of the tokenizer as well."""
    if seeds_set == "tokenizer":
        return dataclasses.replace(config, seed=seed).seeded()
    return dataclasses.replace(
        config, pretrain=reseeded(config.pretrain, seed), finetune=reseeded(config.finetune, seed)
    )


def _row_config(study: Study, row: str, dataset: str, flags: Sequence[str], data: Path | None) -> PipelineConfig:
    data_layer, row_layer = dict(study.config.datasets.get(dataset, {})), dict(study.config.rows[row])
    for name in (PUBLISHED, ROWS):
        data_layer.pop(name, None)
    given = [flag for flag in flags if flag.startswith("--config=")]
    files = [*_files(data_layer), *_files(row_layer), *study.config.configs]
    data_values = flatten(data_layer)
    if data is not None and "prepare.folder" in data_values:
        data_values["prepare.folder"] = data / data_values["prepare.folder"]
    values = flatten(study.config.values) | data_values | flatten(row_layer)
    values |= flatten(_rows_here(study, dataset).get(row) or {})
    argv = [
        *given,
        *(f"--config={study.folder / file}" for file in files),
        *(f"--{key}={_word(value)}" for key, value in values.items()),
        *(flag for flag in flags if flag not in given),
    ]
    try:
        config = parse(PipelineConfig, argv, program="study")
    except ConfigError as error:
        raise ConfigError(f"row '{row}' of study '{study.name}': {error}") from None
    if config.seed is not None:
        raise ConfigError(f"seed={config.seed} is set, but a study sets it run by run; use --seeds=N")
    if not (config.pretrain.enabled or config.finetune.enabled):
        raise ConfigError(f"row '{row}' of study '{study.name}' trains nothing; set finetune.enabled=true")
    return dataclasses.replace(config, until="evaluate")


def _files(layer: dict[str, Any]) -> list[str]:
    """Takes the config files out of a layer; a single one needs no list."""
    files = layer.pop(FILES, [])
    return [files] if isinstance(files, str) else files


def _rows_here(study: Study, dataset: str) -> Mapping[str, Mapping[str, Any] | None]:
    """What single rows change on a data set."""
    return study.config.datasets.get(dataset, {}).get(ROWS) or {}


def _word(value: Any) -> str:
    """A value as it is written behind a flag; a bare string would keep the quotes of json."""
    return str(value) if isinstance(value, str | Path) else json.dumps(value)


def _refuse_incomparable(configs: dict[str, PipelineConfig]) -> None:
    first, *others = configs
    reference = configs[first]
    for row in others:
        config = configs[row]
        # What is read of the items' texts changes no user, and methods read different things.
        if dataclasses.replace(config.prepare, text=reference.prepare.text) != reference.prepare:
            raise ConfigError(f"rows '{first}' and '{row}' prepare different data; rows of one table share their users")
        for name in ("split", "exclude_history"):
            if to_dict(config.evaluate)[name] != to_dict(reference.evaluate)[name]:
                raise ConfigError(f"rows '{first}' and '{row}' differ in evaluate.{name}; one table has one rule")
    seen: dict[str, str] = {}
    for row, config in configs.items():
        same = seen.setdefault(_key(config, []), row)
        if same != row:
            raise ConfigError(f"rows '{same}' and '{row}' are the same run; change one, or drop the flag that hides it")


def _sources(config: PipelineConfig) -> list[str]:
    """Fingerprints of the files that a row reads besides the data: embeddings, text model, identifiers, teacher, weights."""
    if not config.needs_identifiers:
        return []
    given = [tokenize.source(config.tokenize)]
    if config.needs_embeddings:
        given += [encode.source(config.encode), fuse.source(config.fuse)]
    trained = [stage for stage in (config.pretrain, config.finetune) if stage.enabled]
    given += [TokenWeights.read(stage.saved_weights) for stage in trained if stage.saved_weights is not None]
    given += [source_of([file], file.parent) for file in _teacher_files(config)]
    return [source.fingerprint for source in given if source is not None]


def _teacher_files(config: PipelineConfig) -> list[Path]:
    """Files of item embeddings that codes are aligned with or models distilled from, and of their ids."""
    readers = [config.tokenize.letter] if config.tokenize.needs_collaborative else []
    readers += [stage.unigrec for stage in (config.pretrain, config.finetune) if stage.enabled and stage.needs_teacher]
    return [file for reader in readers for file in (reader.file, reader.ids) if file is not None]


def _key(config: PipelineConfig, sources: Sequence[str]) -> str:
    """A name of the result: settings of all stages, without where files lie, what is logged and on which device."""
    plain = decisive(config)
    for name in ("out", "until", "tracking", "trainer", "seed"):
        plain.pop(name)
    plain["prepare"].pop("folder")
    versions = [stage.VERSION for stage in (prepare, encode, fuse, tokenize, recommend, evaluate)]
    versions += [calibrate.VERSION] if config.calibrates else []
    return fingerprint(plain, list(sources), versions, config.trainer.result_fields())
