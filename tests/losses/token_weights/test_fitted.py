"""Fitted token weights: their spread, their file, the end token, and weights that would leave a level unlearnt."""

import pytest
import torch

from tigerlite.config import InputError
from tigerlite.losses.token_weights.fitted import TokenWeights, require_every_position, spread, with_end


def test_the_spread_counts_every_token_of_every_training_target():
    table = torch.tensor([[9.0, 9.0], [0.8, 1.2], [0.5, 1.5]])
    found = spread(table, torch.tensor([0, 3, 1]))
    assert found.deviation == pytest.approx((3 * 0.2 + 0.5) / 4)
    assert found.std == pytest.approx(((3 * 0.2**2 + 0.5**2) / 4) ** 0.5)
    assert (found.beyond_10, found.beyond_25) == pytest.approx((1.0, 1 / 4))
    assert not found.inert
    assert spread(torch.tensor([[0.99, 1.01]]), torch.tensor([0, 3, 1])).inert


def test_saved_weights_are_read_for_the_same_identifiers_only(tmp_path):
    weights = TokenWeights({"position": torch.tensor([[1.5, 0.5]])}, "aaaa", {"position": {"std": 0.5}})
    weights.save(tmp_path)
    found = TokenWeights.load(tmp_path, "aaaa")
    assert found.tables["position"].tolist() == [[1.5, 0.5]]
    assert found.statistics == weights.statistics
    with pytest.raises(InputError, match="were fitted on identifiers aaaa, not on bbbb; use those of a run with"):
        TokenWeights.load(tmp_path, "bbbb")


def test_a_folder_without_weights_is_one_line(tmp_path):
    with pytest.raises(InputError, match="holds no token weights"):
        TokenWeights.load(tmp_path, "aaaa")


@pytest.mark.parametrize(
    ("name", "content"),
    [("token_weights.json", "{"), ("token_weights.json", '{"bank": "a"}'), ("token_weights.safetensors", "cut short")],
)
def test_damaged_weights_are_one_line(name, content, tmp_path):
    TokenWeights({"frequency": torch.ones(3, 2)}, "a").save(tmp_path)
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=r"cannot be read \(.*\); take those of a finished run"):
        TokenWeights.read(tmp_path)


@pytest.mark.parametrize("weight", [0.0, 1.0, 2.0])
def test_the_end_token_has_its_share_and_the_mean_stays_one(weight):
    table = with_end(torch.tensor([[1.6, 1.2, 0.8, 0.4]]), weight)
    assert float(table.mean()) == pytest.approx(1)
    assert float(table[0, 4] / table[0, :4].mean()) == pytest.approx(weight)


def test_an_end_token_of_weight_one_leaves_the_codes_weights():
    assert with_end(torch.tensor([[1.5, 0.5]]), 1.0).tolist() == [[1.5, 0.5, 1.0]]


def test_a_level_without_any_weight_is_refused():
    targets = torch.tensor([0, 2, 1, 0])
    by_item = torch.tensor([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [1.0, 1.0]])
    with pytest.raises(InputError, match="frequency give code 2 of every training target the weight 0"):
        require_every_position({"frequency": by_item}, targets)
    with pytest.raises(InputError, match="front_greater give code 2"):
        require_every_position({"front_greater": torch.tensor([[2.0, 0.0]])}, targets)
    require_every_position({"front_greater": torch.tensor([[2.0, 0.0]]), "frequency": 1 - by_item}, targets)
