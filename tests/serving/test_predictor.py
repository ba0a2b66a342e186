"""From frames to recommendations in external ids, in Python and in the shell."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

import tigerlite
from tigerlite import InputError, Predictor
from tigerlite.encoders.embeddings import ItemEmbeddings
from tigerlite.recommenders.baselines.popularity import Popularity
from tigerlite.run_file import read_run
from tigerlite.tokenizers.saved import load_tokenizer


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("run") / "films"


@pytest.fixture
def predictor(run_folder, toy_folder, toy_settings):
    """A run over the toy films; trained once, loaded afterwards."""
    settings = {name: value for name, value in toy_settings.items() if name != "prepare"}
    settings["prepare"] = {"text": toy_settings["prepare"]["text"]}
    frames = pl.read_csv(toy_folder / "interactions.csv"), pl.read_ndjson(toy_folder / "items.jsonl")
    return tigerlite.fit(*frames, out=run_folder, settings=settings)


def test_external_ids_in_external_ids_titles_and_scores_out(predictor):
    (answer,) = predictor.recommend([["f00", "f01", "f02"]], k=5)
    assert len(answer.items) == len(set(answer.items)) == 5
    titles = dict(zip(predictor.item_ids, predictor.titles, strict=True))
    assert answer.titles == [titles[item] for item in answer.items]
    assert answer.scores == sorted(answer.scores, reverse=True)
    assert answer.unknown == []


def test_pandas_and_polars_frames_make_the_same_run(predictor, run_folder, toy_folder, toy_settings, tmp_path):
    settings = {**toy_settings, "prepare": {"text": toy_settings["prepare"]["text"]}}
    frames = pd.read_csv(toy_folder / "interactions.csv"), pd.read_json(toy_folder / "items.jsonl", lines=True)
    tigerlite.fit(*frames, out=tmp_path, settings=settings | {"until": "evaluate"})
    folders = {path.name for path in tmp_path.iterdir() if path.is_dir()}
    assert folders == {path.name for path in run_folder.iterdir() if path.is_dir()}


def test_unknown_ids_are_reported_and_skipped(predictor):
    known, mixed = predictor.recommend([["f00", "f01"], ["f00", "nothing", "f01"]], k=5)
    assert mixed.items == known.items
    assert mixed.unknown == ["nothing"]


def test_an_all_unknown_or_empty_history_and_a_bad_k_are_refused(predictor):
    with pytest.raises(InputError, match=r"history 2 has no item of the catalogue \(x, y\)"):
        predictor.recommend([["f00"], ["x", "y"]])
    with pytest.raises(InputError, match="it is empty"):
        predictor.recommend([[]])
    with pytest.raises(InputError, match="k=0 is out of range"):
        predictor.recommend([["f00"]], k=0)
    with pytest.raises(InputError, match="history 2 is the text 'f01'; give a list of item ids for each user"):
        predictor.recommend([["f00"], "f01"])
    with pytest.raises(InputError, match="history 1 has the time 9223372036854775808; give whole seconds"):
        predictor.recommend([["f00"]], times=[[2**63]])
    assert predictor.recommend([]) == []


def test_it_decodes_as_it_was_evaluated(run_folder, predictor):
    file = read_run(run_folder)["evaluate"] / "metrics.json"
    content = file.read_text()
    settings = json.loads(content)["settings"]
    assert (predictor.model.decoding, predictor.model.n_beams) == (settings["decoding"], settings["n_beams"])
    try:
        file.write_text(json.dumps({"settings": settings | {"decoding": "exact", "n_beams": 17}, "metrics": {}}))
        exact = Predictor.load(run_folder)
    finally:
        file.write_text(content)
    assert (exact.model.decoding, exact.model.n_beams) == ("exact", 17)


def test_asking_for_more_than_the_catalogue_costs_no_more(predictor, monkeypatch):
    asked, answer = [], predictor.model.recommend

    def recommend(histories, k, *rest):
        asked.append(k)
        return answer(histories, k, *rest)

    monkeypatch.setattr(predictor.model, "recommend", recommend)
    predictor.recommend([["f00"]], k=10**9)
    assert asked == [len(predictor.item_ids)]


def test_history_can_be_excluded_and_the_catalogue_is_the_limit(predictor):
    (answer,) = predictor.recommend([["f00", "f01", "f02"]], k=1000, exclude_history=True)
    assert len(answer.items) == len(predictor.item_ids) - 3
    assert not {"f00", "f01", "f02"} & set(answer.items)


def test_loading_what_is_not_a_run_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"run\.json does not exist; give the --out folder of a finished pipeline"):
        Predictor.load(tmp_path)
    (tmp_path / "run.json").write_text('{"prepare": "prepare-1"}')
    with pytest.raises(InputError, match="names no trained recommender"):
        Predictor.load(tmp_path)


def shell(*argv):
    return subprocess.run([sys.executable, "-m", "tigerlite", *argv], capture_output=True, text=True)


def test_the_shell_answers_like_python(predictor, run_folder):
    done = shell("recommend", str(run_folder), "--history=f00,zzz,f01", "--k=3")
    assert done.returncode == 0, done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    (answer,) = predictor.recommend([["f00", "f01"]], k=3)
    assert [row[1] for row in rows] == answer.items
    assert [row[2] for row in rows] == answer.titles
    assert "not in the catalogue, skipped: zzz" in done.stderr


def test_the_shell_takes_times_and_refuses_what_is_none(predictor, run_folder):
    done = shell("recommend", str(run_folder), "--history=f00,f01", "--times=10,20", "--k=3")
    (answer,) = predictor.recommend([["f00", "f01"]], k=3)
    assert [row.split("\t")[1] for row in done.stdout.splitlines()] == answer.items
    done = shell("recommend", str(run_folder), "--history=f00,f01", "--times=10,soon")
    assert done.returncode == 2
    assert "--times=10,soon is not whole seconds separated by commas: --times=SECONDS,SECONDS" in done.stderr
    assert (
        "history 1 has 2 items and 1 times"
        in shell("recommend", str(run_folder), "--history=f00,f01", "--times=10").stderr
    )


def test_report_prints_what_the_run_found(predictor, run_folder):
    done = shell("report", str(run_folder))
    assert done.returncode == 0, done.stderr
    for text in ("Data set", "perplexity", "itemknn", "held out:"):
        assert text in done.stdout


def test_new_items_are_recommended_under_their_own_ids(predictor, run_folder):
    folders = read_run(run_folder)
    tokenizer, embeddings = load_tokenizer(folders["tokenize"]), ItemEmbeddings.load(folders["encode"])
    before = predictor.recommend([["f00", "f01"]], k=60)[0]
    # One copy of a film whose group has room for another digit: its codes are the film's, so it ranks beside it.
    codes = predictor.model.bank.primary[1:]
    same = (codes[:, None, :-1] == codes[None, :, :-1]).all(dim=2).sum(dim=1)
    film = int((same < predictor.model.bank.vocab.codebook_sizes[-1]).nonzero()[0])
    predictor.add_items(["new"], torch.from_numpy(embeddings.matrix[[film]]), tokenizer, titles=["A new film"])
    after = predictor.recommend([["f00", "f01"]], k=61)[0]
    assert set(after.items) == {*before.items, "new"}
    assert after.titles[after.items.index("new")] == "A new film"
    assert [item for item in after.items if item != "new"] == before.items
    assert predictor.recommend([["new"]], k=1)[0].unknown == []


def test_a_share_of_a_list_is_for_items_added_behind_those_whose_codes_they_share(run_folder):
    loaded = Predictor.load(run_folder)
    plain = loaded.recommend([["f00", "f01"]], k=6)[0]
    assert loaded.recommend([["f00", "f01"]], k=6, new_item_share=0.5)[0] == plain  # nothing has been added
    first = loaded.item_ids.index(plain.items[0])
    rows = torch.from_numpy(ItemEmbeddings.load(read_run(run_folder)["encode"]).matrix[[first]])
    loaded.add_items(["new"], rows)
    shared = loaded.recommend([["f00", "f01"]], k=6, new_item_share=0.5, new_item_codes=1)[0]
    assert shared.items[1] == "new"  # the first place that half a list has for it
    assert shared.items[0] == plain.items[0]
    with pytest.raises(InputError, match="the share of new items is 2; allowed: a number in"):
        loaded.recommend([["f00"]], new_item_share=2)


def test_the_run_s_own_tokenizer_is_taken_and_another_one_refused(run_folder, predictor, tmp_path):
    folders = read_run(run_folder)
    rows = torch.from_numpy(ItemEmbeddings.load(folders["encode"]).matrix[[4]])
    loaded = Predictor.load(run_folder)
    loaded.add_items(["new"], rows)
    assert loaded.model.bank.n_items == len(loaded.item_ids)
    other = load_tokenizer(folders["tokenize"])
    with torch.no_grad():
        other.quantizer.codebooks[0].vectors += 1.0
    with pytest.raises(InputError, match="the bank was made by the tokenizer [0-9a-f]{16} but [0-9a-f]{16} was given"):
        loaded.add_items(["another"], rows, other)
    assert "another" not in loaded.item_ids
    again = Predictor(loaded.model, loaded.item_ids, loaded.titles)
    with pytest.raises(InputError, match="this run has no tokenizer; give the one that made its identifiers"):
        again.add_items(["another"], rows)


def test_new_items_with_known_ids_or_the_wrong_number_are_refused(predictor, run_folder):
    tokenizer = load_tokenizer(read_run(run_folder)["tokenize"])
    rows = torch.ones(2, tokenizer.n_dimensions)
    with pytest.raises(InputError, match="item id 'f00' is already in the catalogue"):
        predictor.add_items(["x", "f00"], rows, tokenizer)
    with pytest.raises(InputError, match="item id 'x' is already in the catalogue"):
        predictor.add_items(["x", "x"], rows, tokenizer)
    with pytest.raises(InputError, match="got 1 ids, 1 titles and 2 embeddings"):
        predictor.add_items(["x"], rows, tokenizer)
    closed = Predictor(Popularity(np.ones(3)), ["a", "b"], ["a", "b"])
    with pytest.raises(InputError, match="popularity cannot recommend items that it was not trained on"):
        closed.add_items(["x"], rows[:1], tokenizer)
