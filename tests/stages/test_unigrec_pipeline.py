"""UniGRec in the pipeline: joint, then frozen, with a teacher; what is cached and what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tigerlite.config import ConfigError, InputError, from_dict, to_dict
from tigerlite.evaluation.curves import read_curves
from tigerlite.evaluation.figure import save_figure
from tigerlite.recommenders.saved import load_recommender
from tigerlite.recommenders.unigrec import UniGRec
from tigerlite.reports.usage import usage
from tigerlite.serving.predictor import Predictor
from tigerlite.stages.build_unigrec import build_unigrec
from tigerlite.stages.pipeline import train
from tigerlite.stages.pipeline_config import PipelineConfig
from tigerlite.stages.recommend_config import RecommendConfig
from tigerlite.stages.trainer_config import TrainerConfig
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.vocabulary import SemanticVocab

TOKENIZE = {
    "method": "soft_rqvae",
    "soft_rqvae": {"hidden_sizes": [16], "latent": 8, "codebook_sizes": [8, 8], "epochs": 5},
}
OFF = {"tokenizer_distillation_weight": 0.0, "recommender_distillation_weight": 0.0}


def config(toy_settings: dict, out: Path, *, joint=None, frozen=False, teacher=False, **changes) -> PipelineConfig:
    tiger = {**toy_settings["finetune"]["tiger"], "epochs": 2}
    stage = {"method": "unigrec", "tiger": tiger, "unigrec": {"digits": 40, "distillation_start": 0, **(joint or {})}}
    settings = {**toy_settings, "tokenize": TOKENIZE, "finetune": stage, **changes}
    if frozen:
        settings["pretrain"] = {**stage, "enabled": True}
        settings["finetune"] = {**stage, "unigrec": {"digits": 40, "train_tokenizer": False, **OFF}}
    if teacher:
        nextitem = {"epochs": 1, "sasrec": {"d_model": 8, "n_layers": 1, "n_heads": 1}}
        settings["teacher"] = {"enabled": True, "nextitem": nextitem}
    return replace(from_dict(PipelineConfig, settings), out=out)


def test_joint_then_frozen_with_a_teacher_is_served_from_its_folder(toy_settings, tmp_path):
    run = train(config(toy_settings, tmp_path, frozen=True, teacher=True))
    assert {"teacher", "tokenize", "pretrain", "finetune", "evaluate"} <= set(run.folders)
    assert "fuse" not in run.folders
    joint, frozen = (load_recommender(run.folders[name]) for name in ("pretrain", "finetune"))
    assert isinstance(frozen, UniGRec)
    assert torch.equal(joint.bank.primary, frozen.bank.primary)
    for name, value in joint.tokenizer.state_dict().items():
        assert torch.equal(value, frozen.tokenizer.state_dict()[name])
    logged = read_curves(run.folders["pretrain"])
    names = {"recommender_distillation", "tokenizer_distillation", "reconstruction", "entropy/level1", "loss"}
    names |= {"tokenizer_gradient", "gradient_ratio/tokenizer_distillation"}
    assert {f"train/{name}" for name in names} <= set(logged)
    assert {"codes/changed/level1", "codes/perplexity/level2"} <= set(logged)
    assert run.evaluation.metrics["unigrec"]["recall@10"] > 0
    save_figure(run.folders)
    assert (tmp_path / "soft_training.png").is_file()
    assert [level.size for level in usage(tmp_path)] == [8, 8]
    predictor = Predictor.load(tmp_path)
    answer = predictor.recommend([run.dataset.item_ids[:3]], 4)[0]
    assert len(answer.items) == 4
    predictor.add_items(["new"], torch.from_numpy(run.embeddings.matrix[[4]]))
    twins = [predictor.recommend([[item]], 4)[0].items for item in ("new", run.dataset.item_ids[4])]
    assert twins[0] == twins[1]
    assert "new" in predictor.recommend([["new"]], 61)[0].items


def test_a_second_call_trains_nothing_and_another_teacher_is_noticed(toy_settings, tmp_path):
    ids = tmp_path / "ids.txt"
    first = train(config(toy_settings, tmp_path / "a", joint=OFF, until="prepare"))
    ids.write_text("\n".join(first.dataset.item_ids) + "\n")
    folders = []
    for scale in (1.0, 1.0, 2.0):
        np.save(tmp_path / "t.npy", scale * np.random.default_rng(0).normal(size=(first.dataset.n_items, 6)))
        teacher = {"file": str(tmp_path / "t.npy"), "ids": str(ids)}
        run = train(config(toy_settings, tmp_path / "a", joint=teacher, until="finetune"))
        folders.append(run.folders["finetune"].name)
    assert folders[0] == folders[1] != folders[2]


def test_a_teacher_in_another_order_is_refused(toy_settings, tmp_path):
    np.save(tmp_path / "t.npy", np.ones((60, 4)))
    with pytest.raises(InputError, match=r"set finetune.unigrec.ids"):
        train(config(toy_settings, tmp_path / "out", joint={"file": str(tmp_path / "t.npy")}, until="finetune"))
    joint = {"file": str(tmp_path / "t.npy")}
    with pytest.raises(InputError, match=r"set pretrain.unigrec.ids"):
        train(config(toy_settings, tmp_path / "out", joint=joint, frozen=True, until="pretrain"))


def test_settings_that_do_not_fit_together_are_refused_before_anything_runs(toy_settings, tmp_path):
    with pytest.raises(ConfigError, match="tokenize.method=rqvae was not trained for; set tokenize.method=soft_rqvae"):
        config(toy_settings, tmp_path, joint=OFF, tokenize={"method": "rqvae"})
    with pytest.raises(ConfigError, match="set tokenize.collisions=rank_digit, not nearest_free"):
        config(toy_settings, tmp_path, joint=OFF, tokenize={**TOKENIZE, "collisions": "nearest_free"})
    with pytest.raises(ConfigError, match="there is none; set teacher.enabled=true or finetune.unigrec.file"):
        config(toy_settings, tmp_path)
    with pytest.raises(ConfigError, match="name two teachers; drop one"):
        config(toy_settings, tmp_path, joint={"file": "x.npy"}, teacher=True)
    with pytest.raises(ConfigError, match="both distillation weights of unigrec are 0, so the teacher would join"):
        config(toy_settings, tmp_path, joint=OFF, teacher=True)


@pytest.mark.parametrize(
    ("section", "changes", "message"),
    [
        ("finetune", {"method": "tiger"}, "tiger cannot start from the weights of unigrec; set pretrain.enabled=false"),
        ("pretrain", {"unigrec": {"digits": 41}}, "digits=40 but pretrain.unigrec.digits=41.*; set both alike"),
        ("pretrain", {"tiger": {"t5": {"d_ff": 32}}}, "differ in d_ff; give them the same t5 sizes"),
        ("pretrain", {"tiger": {"user_token": False}}, "differ in user_token; give them the same t5 sizes"),
        ("pretrain", {"tiger": {"keep_epochs": [1]}}, r"no stage starts from with method=unigrec; set it to \[\]"),
        ("trainer", {"accumulate": 2}, "trainer.accumulate=2 cuts batches"),
        ("trainer", {"precision": "bf16-true"}, "allowed: 32-true, bf16-mixed, 16-mixed"),
    ],
)
def test_what_would_fail_after_hours_is_refused_before_anything_runs(toy_settings, tmp_path, section, changes, message):
    def changed(old: dict, new: dict) -> dict:
        return old | {key: changed(old.get(key, {}), to) if isinstance(to, dict) else to for key, to in new.items()}

    good = to_dict(config(toy_settings, tmp_path, frozen=True, teacher=True))
    assert from_dict(PipelineConfig, good).finetune.unigrec.digits == 40
    with pytest.raises(ConfigError, match=message):
        from_dict(PipelineConfig, changed(good, {section: changes}))


def test_a_pretraining_alone_may_have_a_network_of_its_own(toy_settings, tmp_path):
    other = {"enabled": True, "tiger": {"t5": {"d_ff": 32}}}
    assert from_dict(PipelineConfig, {**toy_settings, "pretrain": other, "until": "pretrain"}).pretrain.enabled


def test_mtgrec_pretraining_on_the_last_epochs_of_the_tokenizer_starts_a_unigrec(toy_settings, tmp_path):
    tiger = {**toy_settings["finetune"]["tiger"], "epochs": 2}
    mixed = {"enabled": True, "identifiers": {"use": "mixed"}, "tiger": tiger}
    changes = {"pretrain": mixed, "tokenize": {**TOKENIZE, "members": 3}, "until": "finetune"}
    run = train(config(toy_settings, tmp_path, joint={**OFF, "tokenizer_lr": 1e-9}, **changes))
    before, after = (load_recommender(run.folders[name]) for name in ("pretrain", "finetune"))
    assert before.bank.n_members == 3
    assert before.vocab.codebook_sizes[-1] < after.vocab.codebook_sizes[-1] == 40
    assert torch.equal(after.bank.primary, run.bank.primary)
    # Pre-training is worth something: the first validation loss is below that of a fresh network after as many epochs.
    fresh = train(config(toy_settings, tmp_path, joint={**OFF, "tokenizer_lr": 1e-9}, **{**changes, "pretrain": {}}))
    started, scratch = (read_curves(found.folders["finetune"])["valid/loss"].values for found in (run, fresh))
    assert started[0] < scratch[-1]


def test_without_soft_inputs_the_stage_says_what_it_needs():
    bank = TokenizerBank(torch.zeros(1, 2, 3, dtype=torch.int64), SemanticVocab((2, 2, 1)))
    with pytest.raises(InputError, match="needs a soft tokenizer with its items"):
        build_unigrec(RecommendConfig(method="unigrec"), bank, None, TrainerConfig(), "finetune")
