"""What UniGRec refuses to train on."""

import pytest
import torch

from tigerlite.config import InputError
from tigerlite.recommenders.soft_identifiers import SoftIdentifiers, code_table
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.soft_rqvae import SoftRQVAE
from tigerlite.tokenizers.soft_rqvae_config import SoftRQVAEConfig
from tigerlite.tokenizers.vocabulary import SemanticVocab

TOKENIZER = SoftRQVAE(SoftRQVAEConfig(hidden_sizes=(4,), latent=2, codebook_sizes=(3, 3)), 5)


def bank(sizes=(3, 3, 2)) -> TokenizerBank:
    codes = torch.zeros(1, 3, len(sizes), dtype=torch.int64)
    codes[0, 2, -1] = 1
    return TokenizerBank(codes, SemanticVocab(sizes))


def test_the_fingerprint_names_tokenizer_temperature_items_and_teacher():
    embeddings, teacher = torch.randn(4, 5), torch.randn(4, 3)
    made = [
        SoftIdentifiers(TOKENIZER, embeddings),
        SoftIdentifiers(TOKENIZER, embeddings, teacher),
        SoftIdentifiers(TOKENIZER, embeddings, teacher.flip(0)),
        SoftIdentifiers(TOKENIZER, embeddings.flip(0), teacher),
    ]
    names = [soft.fingerprint for soft in made]
    TOKENIZER.quantizer.set_temperature(0.5)
    names.append(SoftIdentifiers(TOKENIZER, embeddings).fingerprint)
    TOKENIZER.quantizer.set_temperature(0.01)
    assert len(set(names)) == 5
    assert SoftIdentifiers(TOKENIZER, embeddings.clone()).fingerprint == names[0]


def test_embeddings_and_teachers_of_other_items_are_refused():
    with pytest.raises(InputError, match=r"the tokenizer reads \(N, 5\)"):
        SoftIdentifiers(TOKENIZER, torch.randn(4, 6))
    with pytest.raises(InputError, match="the teacher has 3 items but the embeddings 4"):
        SoftIdentifiers(TOKENIZER, torch.randn(4, 5), torch.randn(3, 2))


def test_the_table_has_room_for_more_digits():
    table = code_table(bank(), TOKENIZER, 9)
    assert table.vocab.codebook_sizes == (3, 3, 9)
    assert torch.equal(table.codes, bank().codes)
    # A level that is larger than these items need, for other members of the run, is cut.
    assert code_table(bank((3, 3, 40)), TOKENIZER, 9).vocab.codebook_sizes == (3, 3, 9)


def test_a_bank_that_is_not_the_tokenizers_or_has_too_many_digits_is_refused():
    with pytest.raises(InputError, match="set tokenize.method=soft_rqvae and tokenize.collisions=rank_digit"):
        code_table(bank((3, 3)), TOKENIZER, 9)
    with pytest.raises(InputError, match=r"2 items share their codes but unigrec.digits=1"):
        code_table(bank(), TOKENIZER, 1)
