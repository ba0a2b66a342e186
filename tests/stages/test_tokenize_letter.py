"""Stage tokenize with LETTER, alone, in the pipeline with its teacher, from files, resumed, and in two processes."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from toy_catalogues import one_user

from tigerlite.config import ConfigError, InputError, fingerprint, from_dict, reseeded
from tigerlite.data.dataset import RecDataset
from tigerlite.distributed import is_rank_zero, world_size
from tigerlite.encoders.embeddings import ItemEmbeddings
from tigerlite.stages import tokenize
from tigerlite.stages.pipeline import train
from tigerlite.stages.pipeline_config import PipelineConfig
from tigerlite.stages.tokenize_config import TokenizeConfig
from tigerlite.stages.trainer_config import Context, TrainerConfig
from tigerlite.tokenizers.collaborative import Collaborative
from tigerlite.tokenizers.letter import LetterConfig
from tigerlite.tokenizers.rqvae import RQVAE
from tigerlite.tokenizers.rqvae_config import RQVAEConfig
from tigerlite.tokenizers.saved import load_tokenizer

N_ITEMS = 96
RQVAE_SECTION = {
    "hidden_sizes": [16],
    "latent": 8,
    "codebook_sizes": [8, 16],
    "batch_size": 48,
    "epochs": 3,
    "codebook": "gradient",
    "sinkhorn_epsilons": [0.0, 0.003],
}
LETTER_SECTION = {"alpha": 0.1, "beta": 0.01, "n_clusters": 2, "smallest_cluster": 2, "largest_cluster": 10}


def config(**settings) -> TokenizeConfig:
    rqvae = {**RQVAE_SECTION, **settings.pop("rqvae", {})}
    letter = {**LETTER_SECTION, **settings.pop("letter", {})}
    return from_dict(TokenizeConfig, {"method": "letter", "rqvae": rqvae, "letter": letter, **settings})


def items() -> ItemEmbeddings:
    generator = np.random.default_rng(0)
    matrix = generator.normal(size=(12, 10))[np.arange(N_ITEMS) % 12] + 0.2 * generator.normal(size=(N_ITEMS, 10))
    return ItemEmbeddings(matrix)


def collaborative(n_items: int = N_ITEMS) -> Collaborative:
    return Collaborative(np.random.default_rng(1).normal(size=(n_items, 8)))


def dataset() -> RecDataset:
    return one_user(N_ITEMS, n_held_out=10)


def context(**settings) -> Context:
    return Context(trainer=TrainerConfig(accelerator="cpu", progress=False, **settings))


def run(settings: TokenizeConfig, out: Path, **limits):
    return tokenize.run(settings, items(), dataset(), None, collaborative(), out=out, context=context(**limits))


def test_an_interrupted_run_ends_like_an_uninterrupted_one(tmp_path):
    bank = run(config(), tmp_path / "whole")
    run(config(), tmp_path / "parts", max_epochs=1)
    torch.manual_seed(123)
    assert run(config(), tmp_path / "parts").fingerprint == bank.fingerprint
    expected, found = (load_tokenizer(tmp_path / name).state_dict() for name in ("whole", "parts"))
    assert all(torch.equal(tensor, found[name]) for name, tensor in expected.items())
    assert len(bank.primary[1:].unique(dim=0)) == N_ITEMS


def test_identical_items_are_reported_as_collapsed_and_still_get_identifiers_of_their_own(tmp_path, caplog):
    flat = ItemEmbeddings(np.ones((N_ITEMS, 4), dtype=np.float32))
    settings = config(rqvae={"epochs": 1})
    bank = tokenize.run(settings, flat, dataset(), None, collaborative(), out=tmp_path, context=context())
    assert any("level 1 spreads the items over 1.0 of 8 codes" in message for message in caplog.messages)
    assert any("96 items have 1 distinct embeddings" in message for message in caplog.messages)
    assert len(bank.primary[1:].unique(dim=0)) == N_ITEMS


def test_inputs_that_do_not_fit_are_refused_in_one_line(tmp_path):
    settings = {"out": tmp_path, "context": context()}
    with pytest.raises(InputError, match="tokenize.method=letter needs item embeddings; run the encode stage first"):
        tokenize.run(config(), None, dataset(), None, collaborative(), **settings)
    with pytest.raises(
        InputError, match=r"aligns codes with collaborative embeddings and got none; set teacher.enabled"
    ):
        tokenize.run(config(), items(), dataset(), **settings)
    with pytest.raises(InputError, match="collaborative embeddings of 97 items were given but the data set has 96"):
        tokenize.run(config(), items(), dataset(), None, collaborative(97), **settings)
    wide = config(rqvae={"codebook_sizes": [256, 16]}, letter={"beta": 0.0})
    with pytest.raises(InputError, match="items to train on are fewer than the 256 codes of a level"):
        tokenize.run(wide, items(), dataset(), None, collaborative(), **settings)
    with pytest.raises(ConfigError, match=r"16 codes of a level cannot be put into 2 clusters of 2 to 5"):
        config(letter={"largest_cluster": 5})


def test_without_alignment_no_collaborative_embeddings_are_read(tmp_path):
    settings = config(letter={"alpha": 0.0})
    assert not settings.needs_collaborative
    assert tokenize.run(settings, items(), dataset(), out=tmp_path, context=context()).n_items == N_ITEMS


def test_sections_name_a_result_where_they_are_used():
    plain = TokenizeConfig()
    assert fingerprint(TokenizeConfig(letter=LetterConfig(alpha=0.5))) == fingerprint(plain)
    assert fingerprint(config(letter={"alpha": 0.5})) != fingerprint(config())
    assert fingerprint(config(rqvae={"seed": 3})) != fingerprint(config())
    assert fingerprint(config(letter={"file": "elsewhere.npy", "order": "prepared"})) == fingerprint(config())
    assert reseeded(config(), 7).rqvae.seed == 7


@pytest.fixture
def pipeline(toy_settings, tmp_path):
    """A pipeline of the toy films up to tokenize, with LETTER and the given sections."""
    rqvae = {**toy_settings["tokenize"]["rqvae"], "codebook": "gradient", "epochs": 2}
    toy_settings["tokenize"] = {"method": "letter", "rqvae": rqvae, "letter": {**LETTER_SECTION, "n_clusters": 2}}
    toy_settings |= {"out": str(tmp_path / "run"), "until": "tokenize"}
    network = {"sasrec": {"d_model": 8, "d_ff": 16}, "epochs": 1}

    def build(letter: dict | None = None, **sections) -> PipelineConfig:
        tokenized = toy_settings["tokenize"]
        settings = {**toy_settings, "tokenize": {**tokenized, "letter": {**tokenized["letter"], **(letter or {})}}}
        return from_dict(PipelineConfig, {"teacher": {"enabled": True, "nextitem": network}, **settings, **sections})

    return build


def test_a_teacher_reaches_the_tokenizer_and_leaves_the_embeddings_alone(pipeline):
    first = train(pipeline())
    assert set(first.folders) == {"prepare", "encode", "teacher", "tokenize"}
    other = train(pipeline(letter={"alpha": 0.2}))
    assert other.folders["teacher"] == first.folders["teacher"]
    assert other.folders["tokenize"] != first.folders["tokenize"]


def test_the_file_of_a_teacher_and_a_named_matrix_give_the_folder_of_the_teacher_itself(pipeline, tmp_path):
    run = train(pipeline())
    stored = run.folders["teacher"] / "item_embeddings.safetensors"
    given = train(pipeline(letter={"file": str(stored)}, teacher={"enabled": False}))
    assert given.folders["tokenize"] == run.folders["tokenize"]
    backwards = load_file(stored)["embeddings"].numpy()[::-1]
    np.save(tmp_path / "sasrec.npy", backwards)
    (tmp_path / "ids.txt").write_text("\n".join(reversed(run.dataset.item_ids)) + "\n")
    named = {"file": str(tmp_path / "sasrec.npy"), "ids": str(tmp_path / "ids.txt")}
    again = train(pipeline(letter=named, teacher={"enabled": False}))
    assert again.folders["tokenize"] == run.folders["tokenize"]


def test_pipelines_that_name_no_embeddings_or_two_are_refused(pipeline):
    with pytest.raises(ConfigError, match=r"there are none; set teacher.enabled=true or tokenize.letter.file, or"):
        pipeline(teacher={"enabled": False})
    with pytest.raises(ConfigError, match=r"teacher.enabled=true and tokenize.letter.file name two teachers; drop one"):
        pipeline(letter={"file": "sasrec.npy"})


def test_two_processes_train_like_one(tmp_path):
    # k-means, Sinkhorn, candidates, clusters and draws see all items, so the two runs differ by rounding only.
    command = [sys.executable, __file__, str(tmp_path / "two")]
    done = subprocess.run(command, check=True, timeout=240, capture_output=True, text=True)
    assert "processes: 2" in done.stdout
    _train_shared(tmp_path / "one", context())
    one, two = (load_tokenizer(tmp_path / name) for name in ("one", "two"))
    for level, codebook in enumerate(one.quantizer.codebooks):
        torch.testing.assert_close(two.quantizer.codebooks[level].vectors, codebook.vectors, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(two.encoder[1].weight, one.encoder[1].weight, atol=1e-3, rtol=1e-3)
    first, second = (json.loads((tmp_path / name / "terms.json").read_text()) for name in ("one", "two"))
    assert second == pytest.approx(first, rel=1e-3)


def _train_shared(folder: Path, trainer_context: Context) -> None:
    """Train on all items with every option that looks at a batch; write the terms that the last epoch logged."""
    logged = {}
    log_dict = RQVAE.log_dict

    def recording(self: RQVAE, parts: dict, **settings) -> None:
        log_dict(self, parts, **settings)
        logged["trainer"] = self.trainer

    RQVAE.log_dict = recording
    try:
        rqvae = {"holdout": 0.0, "patience": 0, "uniformity_weight": 0.05, "assignment": "rotation"}
        settings = config(rqvae=rqvae)
        tokenize.run(settings, items(), dataset(), None, collaborative(), out=folder, context=trainer_context)
    finally:
        RQVAE.log_dict = log_dict
    names = ("alignment", "diversity", "uniformity")
    metrics = logged["trainer"].callback_metrics
    if is_rank_zero():
        values = {name: metrics[f"tokenize/train/{name}"].item() for name in names}
        (folder / "terms.json").write_text(json.dumps(values))


def test_sections_of_the_stage_hold_the_defaults_of_the_scripts():
    letter, rqvae = LetterConfig(), RQVAEConfig()
    assert (letter.alpha, letter.beta, letter.n_clusters) == (0.01, 1e-4, 10)
    assert (letter.smallest_cluster, letter.largest_cluster, rqvae.sinkhorn_iterations) == (10, 60, 50)


if __name__ == "__main__":
    # Lightning's ddp starts this file again for the second process.
    _train_shared(Path(sys.argv[1]), context(devices=2, strategy="ddp"))
    if is_rank_zero():
        print(f"processes: {world_size()}")
