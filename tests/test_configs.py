"""Every YAML in configs/ is what the program accepts, alone and layered, and every sweep key exists."""

import json
from pathlib import Path

import pytest
import yaml

from tigerlite.command_line import parse
from tigerlite.config import known_keys
from tigerlite.recommenders.baselines import NETWORKS
from tigerlite.recommenders.tiger_config import TIGERConfig
from tigerlite.stages.pipeline_config import PipelineConfig
from tigerlite.studies import plan as plans
from tigerlite.studies.datasets import dataset_names
from tigerlite.studies.plan import with_preset
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


def test_every_classic_network_is_tuned_by_four_trials_alike_and_its_config_is_the_best_of_them(monkeypatch):
    """The best by the committed records, which the sweep file still describes row by row."""
    monkeypatch.setattr(plans.prepare, "inputs_fingerprint", lambda config: "data that are not read here")
    budgets = set()
    for network in NETWORKS:
        sweep = read_sweep(CONFIGS / "sweeps" / "baselines" / f"{network}.yaml", seeds=(0,))
        flags = [flag.replace("=configs/", f"={CONFIGS}/") for flag in sweep.flags]
        jobs = plans.plan(sweep.study, "office", flags)
        settings = [job.config.finetune.nextitem for job in jobs]
        records = CONFIGS.parent / "docs" / "results" / "records" / "sweeps" / network / "office" / "records.jsonl"
        accuracies = {
            record["row"]: record["validation"]["finetune"]
            for record in map(json.loads, records.read_text().splitlines())
        }
        assert sorted(accuracies) == sorted(job.row for job in jobs)
        best = max(jobs, key=lambda job: accuracies[job.row]).config
        chosen = parse(PipelineConfig, flags, program="test")
        assert (chosen.finetune, chosen.pretrain) == (best.finetune, best.pretrain)
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
    for dataset, settings in study.config.datasets.items():
        changes = settings.get("rows") or {}
        rows = {row for row in study.config.rows if changes.get(row, {}) is not None}
        jobs = plans.plan(study, dataset)
        assert len(jobs) == len({job.key for job in jobs}) == len(rows) * len(study.config.seeds)
        assert {job.row for job in jobs} == rows


def test_presets_are_of_the_sizes_that_their_names_promise():
    def tiger(preset: str):
        return parse(PipelineConfig, [f"--config={CONFIGS / 'hardware' / preset}.yaml"], program="test").finetune.tiger

    smoke, study, paper = tiger("smoke"), tiger("study_cpu"), tiger("paper_gpu")
    assert (smoke.t5.n_encoder_layers, smoke.t5.d_model, smoke.epochs) == (1, 64, 1)
    assert (study.t5.n_encoder_layers, study.t5.d_model, study.t5.n_heads, study.t5.d_kv) == (2, 128, 4, 64)
    assert (study.encoder_attention, study.n_validation_users) == ("causal", 10_000)
    assert (paper.t5.n_encoder_layers, paper.epochs) == (4, 200)


def test_the_papers_sizes_win_over_smaller_ones_before_them():
    files = [CONFIGS / name for name in ("demo.yaml", "hardware/study_cpu.yaml", "hardware/paper_gpu.yaml")]
    config = parse(PipelineConfig, [f"--config={file}" for file in files], program="test")
    default = TIGERConfig()
    for name in ("t5", "encoder_attention", "max_history"):
        assert getattr(config.finetune.tiger, name) == getattr(default, name)
    assert (config.evaluate.n_beams, config.calibrate.enabled) == (50, False)


def test_the_papers_tokenizer_is_trained_where_identifiers_are_published_too():
    files = [CONFIGS / name for name in ("datasets/yelp_letter.yaml", "models/token_weighted_paper_tokenizer.yaml")]
    config = parse(PipelineConfig, [f"--config={file}" for file in files], program="test")
    assert (config.tokenize.method, config.tokenize.collisions) == ("rqvae", "random_free")


def test_the_curriculums_speed_is_swept_on_yelp_as_on_the_demo(monkeypatch):
    """Nothing of the demo stays but what the sweep is about; c covers the paper's grid over the paper's steps."""
    monkeypatch.setattr(plans.prepare, "inputs_fingerprint", lambda config: "data that are not read here")
    monkeypatch.chdir(CONFIGS.parent)
    sweep = read_sweep(CONFIGS / "sweeps" / "c.yaml", seeds=(0,))
    flags = sweep.flags_with(["--config=configs/datasets/yelp_letter.yaml"])
    assert dataset_names(sweep.study, None, flags) == ["yelp_letter"]
    configs = [job.config for job in plans.plan(sweep.study, "yelp_letter", flags)]
    assert [config.finetune.objective.curriculum.kappa for config in configs] == [0.88, 1.76, 2.64, 3.52, 4.4]
    assert {config.finetune.tiger for config in configs} == {TIGERConfig()}
    assert {(config.prepare.reader, config.evaluate.exclude_history) for config in configs} == {("s3rec", False)}
    assert dataset_names(sweep.study, None, sweep.flags_with([])) == ["demo"]
    paper = read_sweep(CONFIGS / "sweeps" / "c_paper.yaml", seeds=(0,))
    configs = [job.config.finetune for job in plans.plan(paper.study, "yelp_letter", paper.flags)]
    assert [config.objective.curriculum.c for config in configs] == [1e-5, 2e-5, 3e-5, 4e-5, 5e-5]
    assert {config.objective.curriculum.unit for config in configs} == {"steps"}
    assert {(config.tiger.epochs, config.tiger.batch_size) for config in configs} == {(200, 512)}


def test_a_preset_takes_the_place_of_a_studys_own(monkeypatch):
    monkeypatch.setattr(plans.prepare, "inputs_fingerprint", lambda config: "data that are not read here")
    study = plans.read_study(CONFIGS / "studies" / "token_weighting.yaml")
    sized = with_preset(study, CONFIGS / "hardware" / "paper_gpu.yaml")
    own, papers = (plans.plan(of, "yelp_letter")[0].config for of in (study, sized))
    assert (own.finetune.tiger.t5.n_encoder_layers, own.evaluate.n_beams) == (2, 20)
    assert (papers.finetune.tiger.t5.n_encoder_layers, papers.evaluate.n_beams) == (4, 50)
    assert papers.finetune.tiger.encoder_attention == "bidirectional"
    # The study's number, until a flag changes it.
    assert papers.finetune.tiger.epochs == own.finetune.tiger.epochs == 10
    assert not papers.calibrate.enabled
