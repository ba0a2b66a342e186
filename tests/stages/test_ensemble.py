"""Which members are ranked together, and that the ensemble is a row of its own."""

import pytest
import torch

from tests.callbacks import test_group_sampling as mixing
from tests.stages.test_member_choice import finetune
from tigerlite.config import ConfigError, InputError, fingerprint, from_dict
from tigerlite.recommenders.member_ensemble import MemberEnsemble
from tigerlite.recommenders.tiger import TIGER
from tigerlite.stages import evaluate
from tigerlite.stages.ensemble import member_ensemble
from tigerlite.stages.evaluate_config import EvaluateConfig
from tigerlite.stages.pipeline_config import PipelineConfig

HISTORIES = torch.tensor([[1, 2, 3], [7, 8, 0]])


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> TIGER:
    return mixing.train(mixing.config(), tmp_path_factory.mktemp("base"))


def test_the_fine_tuned_members_vote_and_the_chosen_model_keeps_its_row(base, tmp_path):
    chosen = finetune(tmp_path / "finetune", base, members=(0, 2))
    ensemble = member_ensemble(chosen, tmp_path / "finetune")
    saved = [TIGER.load(tmp_path / "finetune" / f"member-{member}") for member in (0, 1)]
    assert [model.fingerprint for model in ensemble.models] == [model.fingerprint for model in saved]
    dataset = mixing.circle()
    out = tmp_path / "evaluate"
    out.mkdir()
    alone = evaluate.run(EvaluateConfig(), dataset, chosen, out=out)
    both = evaluate.run(EvaluateConfig(ensemble=True), dataset, chosen, ensemble, out=out)
    assert set(both.metrics) == {"tiger", "tiger_ensemble", "popularity", "itemknn"}
    assert {name: both.metrics[name] for name in alone.metrics} == alone.metrics
    assert both.settings["ensemble_members"] == 2
    assert "ensemble_members" not in alone.settings
    assert ensemble.models[1].n_beams == 50


def test_a_model_of_several_identifiers_is_decoded_under_each(base, tmp_path):
    ensemble = member_ensemble(base, tmp_path)
    assert [model.bank.primary.tolist() for model in ensemble.models] == base.bank.codes.tolist()
    first = base.recommend(HISTORIES, 5)
    assert ensemble.models[0].recommend(HISTORIES, 5).items.tolist() == first.items.tolist()
    second = ensemble.models[1].recommend(HISTORIES, 5)
    assert second.items.tolist() != first.items.tolist()
    assert ensemble.models[1].t5 is base.t5


def test_one_identifier_makes_no_ensemble(base, tmp_path):
    alone = MemberEnsemble(member_ensemble(base, tmp_path).models).models[0]
    with pytest.raises(InputError, match="one model of one identifier per item; set finetune.identifiers.use=each"):
        member_ensemble(alone, tmp_path)
    with pytest.raises(InputError, match="ensemble=true ranks by several members and none are given"):
        evaluate.run(EvaluateConfig(ensemble=True), mixing.circle(), alone, out=tmp_path)
    with pytest.raises(ConfigError, match="ranks by several members; set finetune.identifiers.use=each"):
        from_dict(PipelineConfig, {"evaluate": {"ensemble": True}})


def test_no_ensemble_names_the_results_it_named_before():
    assert fingerprint(EvaluateConfig()) == "109b187a5d"
    assert fingerprint(EvaluateConfig(ensemble=True)) != "109b187a5d"
