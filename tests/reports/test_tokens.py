"""`tigerlite report tokens`: from a run's folder and from a stage's, the files it writes, and what it refuses."""

import json
import shutil

import numpy as np
import pytest

from tigerlite.artifacts import verify
from tigerlite.config import InputError, from_dict
from tigerlite.data.dataset import RecDataset
from tigerlite.data.sequences import training_items
from tigerlite.evaluation.co_interaction import prefix_hits
from tigerlite.reports.tokens import Flags, find, measure
from tigerlite.reports.tokens_table import plot_tokens, rows
from tigerlite.run_file import read_run
from tigerlite.stages.pipeline import train
from tigerlite.stages.pipeline_config import PipelineConfig
from tigerlite.tokenizers.bank import TokenizerBank


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return tmp_path_factory.mktemp("run")


@pytest.fixture
def run(trained, toy_settings):
    """The toy films up to their identifiers; trained once, loaded afterwards."""
    train(from_dict(PipelineConfig, {**toy_settings, "out": str(trained), "until": "tokenize"}))
    return trained


def test_a_run_gets_a_table_and_files(run, tigerlite_command, capsys):
    code, err = tigerlite_command("report", "tokens", run)
    assert (code, err) == (0, "")
    stored = json.loads((run / "identifiers.json").read_text())
    table = (run / "identifiers.md").read_text()
    assert stored["verdict"] in table
    assert f"{stored['report']['collisions_before']:.2%} collide before resolution" in table
    assert (run / "identifiers.png").stat().st_size > 1000


def test_the_numbers_are_those_of_the_training_part(run):
    report = measure(find(run))
    stages = read_run(run)
    dataset, bank = RecDataset.load(stages["prepare"]), TokenizerBank.load(stages["tokenize"])
    items = training_items(dataset)
    assert len(items) < len(dataset.items)
    offsets = np.concatenate([[0], np.cumsum(dataset.train_ends - dataset.offsets[:-1])])
    assert report.prefix_hits == prefix_hits(bank.primary[1:, :2].numpy(), items, offsets)
    health = json.loads((stages["tokenize"] / "codebook_health.json").read_text())
    assert report.collisions_before == health["collision_rate"]
    assert report.n_semantic == len(health["levels"]) == bank.n_levels - 1
    assert 0 < report.embeddings.decoder_error < 1.5


def test_a_stage_folder_needs_its_data_and_stays_as_it_is(run, tigerlite_command):
    stages = read_run(run)
    flags = (f"--data={stages['prepare']}", f"--embeddings={stages['encode']}")
    code, err = tigerlite_command("report", "tokens", stages["tokenize"], *flags)
    assert (code, err) == (0, "")
    verify(stages["tokenize"])
    written = json.loads((run / "reports" / stages["tokenize"].name / "identifiers.json").read_text())
    assert set(written) == {"verdict", "figures", "report"}
    assert not (stages["tokenize"] / "identifiers.json").exists()


def test_without_embeddings_their_rows_are_missing(run):
    stages = read_run(run)
    report = measure(find(stages["tokenize"], Flags(data=stages["prepare"])))
    names = [name for name, _ in rows(report)]
    assert report.embeddings is None
    assert not [name for name in names if "embedding" in name or "neighbours" in name]
    assert len(plot_tokens(report).axes) == 2


def test_the_picture_shows_the_numbers(run):
    report = measure(find(run))
    use, content, behaviour = plot_tokens(report).axes
    assert [bar.get_height() for bar in use.containers[1]] == [level.perplexity / level.size for level in report.levels]
    assert [bar.get_height() for bar in content.containers[1]] == [n.overlap for n in report.embeddings.neighbours]
    assert [bar.get_height() for bar in behaviour.containers[0]] == [hits.rate for hits in report.prefix_hits]


def test_every_row_has_a_value_or_a_dash_per_level(run):
    report = measure(find(run))
    assert {len(values) for _, values in rows(report)} == {len(report.levels)}


def test_mistakes_are_one_line(run, tmp_path, tigerlite_command):
    stages = read_run(run)
    for argv, message in [
        ([tmp_path], "holds neither run.json nor bank.json"),
        ([], "tigerlite report tokens needs the folder of a finished run first"),
        ([stages["tokenize"]], "is a folder of identifiers; give the prepared data as well"),
        ([run, f"--embeddings={tmp_path}"], "holds no embeddings.npy"),
        ([run, "--seeds=1"], "unknown key 'seeds'"),
        ([run, "--seed=-1"], "seed=-1 is out of range"),
    ]:
        code, err = tigerlite_command("report", "tokens", *argv)
        assert code == 2
        assert message in err
        assert err.count("\n") == 1


def test_a_run_without_identifiers_is_refused(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"prepare": "prepare-0", "finetune": "finetune-0"}))
    with pytest.raises(InputError, match="has no identifiers: its last call made prepare, finetune"):
        find(tmp_path)


def test_identifiers_of_another_catalogue_are_refused(run, tmp_path):
    stages = read_run(run)
    bank = TokenizerBank.load(stages["tokenize"])
    TokenizerBank(bank.codes[:, :-1], bank.vocab).save(tmp_path)
    shutil.copy(stages["tokenize"] / "codebook_health.json", tmp_path)
    with pytest.raises(InputError, match="they do not belong together"):
        measure(find(tmp_path, Flags(data=stages["prepare"])))
    (tmp_path / "codebook_health.json").unlink()
    TokenizerBank.load(stages["tokenize"]).save(tmp_path)
    with pytest.raises(InputError, match="codebook_health.json does not exist; give a tokenize-... folder"):
        measure(find(tmp_path, Flags(data=stages["prepare"])))
