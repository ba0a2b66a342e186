"""Every YAML in configs/ is what the program accepts, alone and layered, and every sweep key exists."""

from pathlib import Path

import pytest
import yaml

from tigerlite.config import known_keys, parse
from tigerlite.recommenders.baselines import NETWORKS
from tigerlite.stages.pipeline_config import PipelineConfig
from tigerlite.studies import plan as plans
from tigerlite.studies.sweeps import read_sweep

CONFIGS = Path(__file__).resolve().parent.parent / "configs"
RUNS = [f for f in sorted(CONFIGS.rglob("*.yaml")) if not {"sweeps", "studies"} & set(f.relative_to(CONFIGS).parts)]
SWEEPS = sorted((CONFIGS / "sweeps").rglob("*.yaml"))
STUDIES = sorted((CONFIGS / "studies").glob("*.yaml"))


def name(file: Path) -> str:
    return str(file.relative_to(CONFIGS))


@pytest.mark.parametrize("method", sorted((CONFIGS / "models").glob("*.yaml")), ids=name)
def test_a_method_layers_over_a_data_set_and_under_the_small_preset(method):
    """Over the demo; the studies, below, layer methods over the other data sets."""
    files = [CONFIGS / "demo.yaml", method, CONFIGS / "hardware" / "cpu_small.yaml"]
    config = parse(PipelineConfig, [f"--config={file}" for file in files], program="test")
    assert config.finetune.tiger.t5.d_model == 64


@pytest.fixture(scope="module")
def default() -> PipelineConfig:
    return parse(PipelineConfig, [], program="test")


@pytest.mark.parametrize("file", RUNS, ids=name)
def test_a_config_parses_alone_and_changes_something(file, default):
    """A YAML holds only what it changes; the reader names itself even where it is the default."""
    changed = parse(PipelineConfig, [f"--config={file}"], program="test")
    assert changed != default or "demo" in file.name


@pytest.mark.parametrize("file", SWEEPS, ids=name)
def test_a_sweep_is_what_wandb_accepts_and_its_keys_exist(file):
    sweep = yaml.safe_load(file.read_text())
    assert {"program", "method", "metric", "parameters", "command"} <= set(sweep)
    assert sweep["method"] in ("grid", "random", "bayes")
    assert set(sweep["metric"]) == {"name", "goal"}
    assert (CONFIGS.parent / sweep["program"]).exists()
    assert set(sweep["parameters"]) <= set(known_keys(PipelineConfig))
    trial = [f"--{key}={choice['values'][0]}" for key, choice in sweep["parameters"].items()]
    given = [part for part in sweep["command"] if part.startswith("--")]
    parse(PipelineConfig, [part.replace("=configs/", f"={CONFIGS}/") for part in given] + trial, program="test")


def test_every_classic_network_is_tuned_by_four_trials_alike_of_which_the_first_is_its_default(monkeypatch):
    monkeypatch.setattr(plans.prepare, "inputs_fingerprint", lambda config: "data that are not read here")
    budgets = set()
    for network in NETWORKS:
        sweep = read_sweep(CONFIGS / "sweeps" / "baselines" / f"{network}.yaml", seeds=(0,))
        flags = [flag.replace("=configs/", f"={CONFIGS}/") for flag in sweep.flags]
        trials = [job.config for job in plans.plan(sweep.study, "office", flags)]
        settings = [trial.finetune.nextitem for trial in trials]
        untuned = parse(PipelineConfig, flags, program="test")
        assert trials[0].finetune == untuned.finetune
        assert trials[0].pretrain == untuned.pretrain
        assert {each.network for each in settings} == {network}
        rates = tuple(each.optimizer.lr for each in settings)
        fixed = {(each.epochs, each.batch_size, each.loss, each.max_history, each.section.d_model) for each in settings}
        budgets.add((rates, *fixed))
    assert budgets == {((1e-3, 1e-3, 3e-3, 3e-3), (60, 256, "ce", 50, 64))}


@pytest.mark.parametrize("file", STUDIES, ids=name)
def test_every_row_of_a_study_is_a_config_on_each_of_its_data_sets(file, monkeypatch):
    monkeypatch.setattr(plans.prepare, "inputs_fingerprint", lambda config: "data that are not read here")
    study = plans.read_study(file)
    assert study.config.datasets
    for dataset in study.config.datasets:
        jobs = plans.plan(study, dataset)
        assert len(jobs) == len({job.key for job in jobs}) == len(study.config.rows) * len(study.config.seeds)
        assert {job.row for job in jobs} == set(study.config.rows)


def test_presets_are_of_the_sizes_that_their_names_promise():
    def tiger(preset: str):
        return parse(PipelineConfig, [f"--config={CONFIGS / 'hardware' / preset}.yaml"], program="test").finetune.tiger

    smoke, study, paper = tiger("smoke"), tiger("study_cpu"), tiger("paper_gpu")
    assert (smoke.t5.n_encoder_layers, smoke.t5.d_model, smoke.epochs) == (1, 64, 1)
    assert (study.t5.n_encoder_layers, study.t5.d_model, study.t5.n_heads, study.t5.d_kv) == (2, 128, 4, 64)
    assert (study.encoder_attention, study.n_validation_users) == ("causal", 10_000)
    assert (paper.t5.n_encoder_layers, paper.epochs) == (4, 200)
