"""The bank: unique code paths, exact inverse, round trips."""

import numpy as np
import pytest
import torch

from tigerlite.config import InputError
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.vocabulary import SemanticVocab


def random_bank(n_items=200, sizes=(9, 5, 7), n_members=2, seed=0) -> TokenizerBank:
    generator = np.random.default_rng(seed)
    members = []
    for _ in range(n_members):
        paths = generator.permutation(int(np.prod(sizes)))[:n_items]
        rows = np.stack(np.unravel_index(paths, sizes), axis=1)
        members.append(np.concatenate([np.zeros((1, len(sizes)), dtype=np.int64), rows]))
    return TokenizerBank(torch.from_numpy(np.stack(members)), SemanticVocab(sizes, 1))


def test_items_of_codes_equals_a_dictionary_for_every_path_and_member():
    bank = random_bank()
    every_path = torch.cartesian_prod(*[torch.arange(size) for size in bank.vocab.codebook_sizes])
    for member in range(bank.n_members):
        table = {tuple(row): item for item, row in enumerate(bank.codes[member, 1:].tolist(), start=1)}
        expected = [table.get(tuple(path), 0) for path in every_path.tolist()]
        assert bank.items(every_path, member).tolist() == expected


def test_item_to_codes_to_item_is_the_identity_in_any_batch_shape():
    bank = random_bank()
    items = torch.arange(1, 201).reshape(20, 10)
    assert torch.equal(bank.items(bank.primary[items]), items)


def test_codes_outside_a_level_belong_to_no_item():
    # 1 * 2 + (-1) and 0 * 2 + 1 are the same key: without a range check this path would alias item 1's.
    bank = TokenizerBank(torch.tensor([[[0, 0], [0, 1], [1, 1]]]), SemanticVocab((2, 2)))
    assert bank.items(torch.tensor([[1, -1], [0, 3], [2, 0], [0, 1]])).tolist() == [0, 0, 0, 1]


def test_paths_longer_than_64_bits_stay_exact():
    n_levels = 20
    rows = torch.zeros(1, 4, n_levels, dtype=torch.int64)
    rows[0, 2, 0] = 255
    rows[0, 3, -1] = 255
    bank = TokenizerBank(rows, SemanticVocab((256,) * n_levels))
    assert bank.items(rows[0, 1:]).tolist() == [1, 2, 3]


def test_buckets_answer_with_the_lowest_item():
    bank = TokenizerBank(torch.tensor([[[0], [1], [0], [1]]]), SemanticVocab((2,)), buckets=True)
    assert bank.items(torch.tensor([[0], [1]])).tolist() == [2, 1]


def test_save_and_load_give_the_same_bank(tmp_path):
    bank = random_bank()
    bank.save(tmp_path)
    again = TokenizerBank.load(tmp_path)
    assert torch.equal(again.codes, bank.codes)
    assert again.codes.dtype == torch.int64
    assert (again.vocab, again.buckets, again.fingerprint) == (bank.vocab, bank.buckets, bank.fingerprint)


def test_fingerprint_follows_codes_and_vocabulary():
    bank = random_bank()
    other_codes = random_bank(seed=1)
    other_vocab = TokenizerBank(bank.codes, SemanticVocab(bank.vocab.codebook_sizes, 2))
    assert len({bank.fingerprint, other_codes.fingerprint, other_vocab.fingerprint}) == 3


def test_letter_index_round_trip(tmp_path):
    bank = random_bank(n_members=1)
    item_ids = [f"item {number}" for number in range(bank.n_items)]
    bank.export_letter_index(tmp_path / "index.json", item_ids)
    again = TokenizerBank.import_letter_index(tmp_path / "index.json", item_ids, bank.vocab.codebook_sizes)
    assert torch.equal(again.primary, bank.primary)


def test_imported_levels_are_as_large_as_their_largest_code(tmp_path):
    (tmp_path / "index.json").write_text('{"x": ["<a_3>", "<b_0>"], "y": ["<a_1>", "<b_5>"]}')
    bank = TokenizerBank.import_letter_index(tmp_path / "index.json", ["y", "x"])
    assert bank.vocab.codebook_sizes == (4, 6)
    assert bank.primary.tolist() == [[0, 0], [1, 5], [3, 0]]


@pytest.mark.parametrize(
    ("codes", "sizes", "message"),
    [
        (
            [[[0, 0], [1, 1], [0, 1], [1, 1]]],
            (2, 2),
            r"1 items of member 0 share a code path, e.g. items 1 and 3 have \[1, 1\]",
        ),
        ([[[0, 0], [1, 2]]], (2, 2), r"item 1 has code 2 at level 2; allowed: 0\.\.1"),
        ([[[0, 0], [-1, 0]]], (2, 2), r"item 1 has code -1 at level 1; allowed: 0\.\.1"),
        ([[[0, 0], [1, 1]]], (2, 2, 2), "codes have 2 levels but the vocabulary has 3"),
        ([[0, 0], [1, 1]], (2, 2), r"codes have shape \(2, 2\); a bank needs \(M, N \+ 1, L\)"),
        ([[[0, 0]]], (2, 2), r"codes have shape \(1, 1, 2\); a bank needs"),
    ],
)
def test_impossible_codes_are_refused(codes, sizes, message):
    with pytest.raises(InputError, match=message):
        TokenizerBank(torch.tensor(codes), SemanticVocab(sizes))


def test_a_folder_without_a_bank_is_named(tmp_path):
    with pytest.raises(InputError, match="holds no tokenizer bank"):
        TokenizerBank.load(tmp_path)
