"""Cells of a study: layered as documented, named by what changes them, refused where a table would mislead."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from tigerlite.config import ConfigError
from tigerlite.studies.plan import flatten, plan, published, read_study


def changed(file: Path, **changes) -> Path:
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | changes, sort_keys=False))
    return file


def test_every_row_meets_every_seed_and_seeds_come_one_after_the_other(toy_study):
    jobs = plan(read_study(toy_study), "films")
    assert [(job.row, job.seed) for job in jobs] == [("fast", 0), ("slow", 0), ("fast", 1), ("slow", 1)]
    assert [job.config.finetune.tiger.optimizer.lr for job in jobs] == [1e-2, 1e-3, 1e-2, 1e-3]
    assert [job.config.finetune.tiger.seed for job in jobs] == [0, 0, 1, 1]
    assert {job.config.tokenize.rqvae.seed for job in jobs} == {0}
    assert len({job.key for job in jobs}) == 4


def test_seeds_reach_the_tokenizer_where_the_study_says_so(toy_study):
    jobs = plan(read_study(changed(toy_study, seeds_set="tokenizer")), "films")
    assert [job.config.tokenize.rqvae.seed for job in jobs] == [0, 0, 1, 1]
    assert [job.config.finetune.tiger.seed for job in jobs] == [0, 0, 1, 1]


def test_later_layers_win(toy_study):
    preset = toy_study.with_name("preset.yaml")
    preset.write_text("finetune: {tiger: {epochs: 5, batch_size: 5, max_history: 5, valid_beams: 15}}")
    method = toy_study.with_name("method.yaml")
    method.write_text("finetune: {tiger: {epochs: 4, label_smoothing: 0.25}}")
    rows = {"a": {}, "b": {"configs": ["method.yaml"], "finetune.tiger.valid_beams": 17}}
    values = {"finetune.tiger.batch_size": 6, "finetune.tiger.max_history": 6}
    study = read_study(changed(toy_study, configs=["preset.yaml"], values=values, rows=rows, baseline="a"))
    tiger = plan(study, "films", ["--finetune.tiger.max_history=7"])[1].config.finetune.tiger
    assert (tiger.label_smoothing, tiger.epochs, tiger.batch_size) == (0.25, 5, 6)
    assert (tiger.max_history, tiger.valid_beams) == (7, 17)


def test_a_key_changes_with_what_changes_a_result_and_with_nothing_else(toy_study):
    study = read_study(toy_study)
    key = plan(study, "films")[0].key
    for flag in ("--out=elsewhere", "--tracking.project=other", "--trainer.progress=true"):
        assert plan(study, "films", [flag])[0].key == key
    for flag in ("--trainer.precision=bf16-mixed", "--evaluate.n_beams=30", "--finetune.tiger.epochs=3"):
        assert plan(study, "films", [flag])[0].key != key


def test_all_rows_share_one_folder_of_stages(toy_study):
    other = toy_study.with_name("other.yaml")
    other.write_text("out: elsewhere")
    rows = {"slow": {}, "fast": {"configs": ["other.yaml"], "finetune.tiger.epochs": 3}}
    assert len({job.config.out for job in plan(read_study(changed(toy_study, rows=rows)), "films")}) == 1


def test_data_folders_are_relative_to_the_data_flag(toy_study, toy_folder):
    datasets = {"films": {"configs": ["films.yaml"], "prepare.folder": toy_folder.name}}
    study = read_study(changed(toy_study, datasets=datasets))
    assert plan(study, "films", data=toy_folder.parent)[0].config.prepare.folder == toy_folder


def test_a_row_may_differ_on_one_data_set_or_not_apply_to_it(toy_study):
    rows = {"slow": {"finetune.tiger.epochs": 5}, "fast": {"finetune.tiger.epochs": 6}}
    films, more = (
        {"configs": ["films.yaml"]},
        {"configs": ["films.yaml"], "rows": {"fast": None, "slow": {"finetune.tiger.epochs": 7}}},
    )
    study = read_study(changed(toy_study, rows=rows, datasets={"films": films, "more": more}, seeds=[0]))
    found = {
        name: [(job.row, job.config.finetune.tiger.epochs) for job in plan(study, name)] for name in ("films", "more")
    }
    assert found == {"films": [("slow", 5), ("fast", 6)], "more": [("slow", 7)]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": {}}, "rows={} is out of range; allowed: at least one row"),
        ({"baseline": "slov"}, "baseline='slov' is unknown; allowed: fast, slow; did you mean 'slow'"),
        ({"seeds": [1, 1]}, "seeds=.* is out of range; allowed: different integers"),
        ({"seeds": 3}, 'Parser key "seeds"'),
        ({"seeds_set": "tokeniser"}, "did you mean 'tokenizer'"),
        (
            {"datasets": {"films": {"rows": {"slov": {}}}}},
            "datasets.films.rows='slov' is unknown; .* did you mean 'slow'",
        ),
        ({"datasets": {"films": {"rows": {"slow": None}}}}, "films.rows.slow=None .*: values, since the other rows"),
        ({"rowz": {}}, "unknown key 'rowz'; did you mean 'rows'"),
    ],
)
def test_a_mistake_in_a_study_file_is_named(toy_study, changes, message):
    with pytest.raises(ConfigError, match=message):
        read_study(changed(toy_study, **changes))


def test_rows_may_read_different_things_of_the_same_items(toy_study):
    rows = {"slow": {}, "b": {"prepare.text.attributes": ["genre"]}}
    jobs = plan(read_study(changed(toy_study, rows=rows, baseline="slow", seeds=[0])), "films")
    assert [job.config.prepare.text.attributes for job in jobs] == [("genre", "part"), ("genre",)]
    assert jobs[0].key != jobs[1].key


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            {"slow": {}, "b": {"finetune.tiger.epoks": 1}},
            "row 'b' of study 'small': unknown key 'finetune.tiger.epoks'",
        ),
        ({"slow": {}, "b": {"finetune.tiger.epochs": 0}}, "row 'b' of study 'small': .*an integer >= 1"),
        ({"slow": {}, "b": {"configs": ["none.yaml"]}}, "none.yaml does not exist"),
        ({"slow": {}, "b": {"trainer.progress": True}}, "rows 'slow' and 'b' are the same run"),
        ({"slow": {}, "b": {"evaluate.exclude_history": True}}, "differ in evaluate.exclude_history; one table"),
        ({"slow": {}, "b": {"prepare.filtering.min_user_interactions": 6}}, "'slow' and 'b' prepare different data"),
        ({"slow": {"finetune.enabled": False}}, "row 'slow' of study 'small' trains nothing"),
        ({"slow": {"seed": 3}}, "seed=3 is set, but a study sets it run by run"),
    ],
)
def test_rows_that_make_no_table_are_refused(toy_study, rows, message):
    with pytest.raises(ConfigError, match=message):
        plan(read_study(changed(toy_study, rows=rows)), "films")


def test_flatten_joins_sections_and_dotted_keys():
    assert flatten({"a.b": {"c": [1, 2]}, "d": {"e": None}}) == {"a.b.c": [1, 2], "d.e": None}


def test_published_figures_are_numbers_by_method(toy_study):
    datasets = {"films": {"configs": ["films.yaml"], "published": {"X": {"ndcg@10": 0.25}}}}
    study = read_study(changed(toy_study, datasets=datasets))
    assert published(study, "films") == {"X": {"ndcg@10": 0.25}}
    assert published(study, "elsewhere") == {}
    assert len(plan(study, "films")) == 4
    datasets["films"]["published"] = {"X": 0.25}
    with pytest.raises(ConfigError, match=r"published\.X=0\.25 of data set 'films' must map metrics to numbers"):
        published(read_study(changed(toy_study, datasets=datasets)), "films")


def test_a_key_changes_with_the_content_of_an_embedding_file(toy_study):
    file = toy_study.with_name("mine.npy")
    rows = {"slow": {"encode.method": "file", "encode.file.path": str(file)}}
    study = read_study(changed(toy_study, rows=rows, baseline="slow"))
    keys = []
    for value in (0.0, 1.0):
        np.save(file, np.full((60, 8), value))
        keys.append(plan(study, "films")[0].key)
    assert keys[0] != keys[1]


@pytest.mark.parametrize(
    "row",
    [
        {"tokenize": {"method": "letter", "letter": {"beta": 0, "order": "prepared", "file": "teacher.npy"}}},
        {
            "tokenize": {"method": "soft_rqvae", "collisions": "rank_digit"},
            "finetune": {"method": "unigrec", "unigrec": {"order": "prepared", "file": "teacher.npy"}},
        },
    ],
)
def test_a_key_changes_with_the_content_of_a_teachers_file(toy_study, monkeypatch, row):
    monkeypatch.chdir(toy_study.parent)
    study = read_study(changed(toy_study, rows={"slow": row}, baseline="slow"))
    keys = []
    for value in (0.0, 1.0):
        np.save("teacher.npy", np.full((60, 8), value))
        keys.append(plan(study, "films")[0].key)
    assert keys[0] != keys[1]


def test_settings_of_methods_that_are_not_chosen_change_no_key(toy_study):
    study = read_study(toy_study)
    key = plan(study, "films")[0].key
    for flag in (
        "--finetune.nextitem.epochs=3",
        "--pretrain.tiger.epochs=3",
        "--fuse.text=0.5",
        "--teacher.nextitem.seed=4",
    ):
        assert plan(study, "films", [flag])[0].key == key


def test_classic_and_generative_rows_share_a_table(toy_study):
    rows = {"slow": {}, "sasrec": {"finetune.method": "nextitem"}, "knn": {"finetune.method": "itemknn"}}
    jobs = plan(read_study(changed(toy_study, rows=rows)), "films")
    assert [job.config.needs_identifiers for job in jobs[:3]] == [True, False, False]
