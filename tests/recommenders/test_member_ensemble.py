"""Mean score plus votes: against the rule written out with dicts, and what cannot be put together."""

import pytest
import torch

from tigerlite.config import InputError, to_dict
from tigerlite.recommenders.member_ensemble import MemberEnsemble, fuse_lists
from tigerlite.recommenders.t5 import T5Config
from tigerlite.recommenders.tiger import TIGER, TIGERConfig
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.vocabulary import SemanticVocab


def by_dicts(items: list[int], scores: list[float], k: int) -> list[tuple[int, float]]:
    listed: dict[int, list[float]] = {}
    for item, score in zip(items, scores, strict=True):
        if item:
            listed.setdefault(item, []).append(score)
    fused = {item: sum(values) / len(values) + len(values) for item, values in listed.items()}
    return sorted(fused.items(), key=lambda entry: (-entry[1], entry[0]))[:k]


def member_lists(n_users: int, n_members: int, length: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    lists = [
        torch.stack([torch.randperm(12, generator=generator)[:length] for _ in range(n_users)])
        for _ in range(n_members)
    ]
    items = torch.cat(lists, dim=1)  # 0 stands for an empty place
    scores = torch.randint(-8, 0, items.shape, generator=generator) / 4  # exact sums, with ties
    return items, scores.masked_fill(items == 0, -torch.inf)


@pytest.mark.parametrize("seed", range(5))
def test_fused_lists_equal_the_rule_written_with_dicts(seed):
    items, scores = member_lists(n_users=8, n_members=4, length=5, seed=seed)
    found = fuse_lists(items, scores, k=6)
    for row in range(8):
        expected = by_dicts(items[row].tolist(), scores[row].tolist(), 6)
        n_found = len(expected)
        assert found.items[row].tolist() == [item for item, _ in expected] + [0] * (6 - n_found)
        torch.testing.assert_close(found.scores[row, :n_found], torch.tensor([score for _, score in expected]))


def test_fewer_items_than_places_leave_places_empty():
    found = fuse_lists(torch.tensor([[3, 0, 3, 0]]), torch.tensor([[-1.0, -torch.inf, -2.0, -torch.inf]]), k=5)
    assert found.items.tolist() == [[3, 0, 0, 0, 0]]
    assert found.scores.tolist() == [[0.5, *[float("-inf")] * 4]]


def model(n_items: int, seed: int) -> TIGER:
    codes = torch.cartesian_prod(torch.arange(4), torch.arange(3))[torch.randperm(12)[:n_items]]
    torch.manual_seed(seed)
    config = TIGERConfig(t5=T5Config(n_encoder_layers=1, n_decoder_layers=1, d_model=8, n_heads=2, d_kv=4, d_ff=8))
    bank = TokenizerBank(torch.cat([torch.zeros(1, 2).long(), codes])[None], SemanticVocab((4, 3)))
    return TIGER(to_dict(config), bank).eval()


def test_models_vote_with_log_probabilities_per_code():
    models = [model(12, seed) for seed in (0, 1)]
    histories = torch.tensor([[1, 2, 3], [5, 0, 0]])
    ensemble = MemberEnsemble(models)
    found = ensemble.recommend(histories, k=4, exclude_history=True)
    lists = [one.recommend(histories, 4, exclude_history=True) for one in models]
    for row in range(2):
        items = [item for of in lists for item in of.items[row].tolist()]
        scores = [score / 2 for of in lists for score in of.scores[row].tolist()]
        expected = by_dicts(items, scores, 4)
        assert found.items[row].tolist() == [item for item, _ in expected]
    assert not set(found.items[0].tolist()) & {1, 2, 3}
    assert ensemble.name == "tiger_ensemble"
    assert ensemble.fingerprint != MemberEnsemble(models[::-1]).fingerprint


def test_one_model_or_two_catalogues_are_refused():
    with pytest.raises(InputError, match="needs at least two models of one catalogue; got 1"):
        MemberEnsemble([model(12, 0)])
    with pytest.raises(InputError, match=r"got 2 of \[10, 12\] items"):
        MemberEnsemble([model(12, 0), model(10, 1)])
