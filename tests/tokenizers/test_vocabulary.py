"""Token ids: no clashes between levels, users and specials; codes and tokens are inverse."""

import pytest
import torch

from tigerlite.config import InputError
from tigerlite.tokenizers.vocabulary import SemanticVocab


def test_every_token_has_one_meaning():
    vocab = SemanticVocab((3, 2, 4), n_user_tokens=2)
    meanings = [vocab.pad]
    for level, size in enumerate(vocab.codebook_sizes):
        meanings += [vocab.offsets[level] + code for code in range(size)]
    meanings += [vocab.user_token(0), vocab.user_token(1), vocab.bos, vocab.eos]
    assert meanings == list(range(vocab.size))


def test_mtgrec_layout_fits_without_the_digit_clash():
    # arXiv 2504.04400: 0 pad, 1..256, 257..512, 513..768 levels; 256 0-based digits leave no dead row and no clash.
    vocab = SemanticVocab((256, 256, 256, 256), n_user_tokens=1)
    assert vocab.offsets == (1, 257, 513, 769)
    assert vocab.offsets[3] + 255 == 1024 == vocab.user - 1
    assert vocab.size == 1 + 4 * 256 + 1 + 2


def test_codes_and_tokens_are_inverse():
    vocab = SemanticVocab((5, 7))
    codes = torch.cartesian_prod(torch.arange(5), torch.arange(7)).reshape(5, 7, 2)
    assert torch.equal(vocab.codes(vocab.tokens(codes)), codes)
    assert vocab.tokens(codes).unique().tolist() == list(range(1, 13))


@pytest.mark.parametrize("members", [(), (2,)])
def test_only_the_row_of_padding_has_no_codes(members):
    vocab = SemanticVocab((5, 7))
    codes = torch.randint(5, (*members, 4, 2), generator=torch.Generator().manual_seed(0))
    tokens = vocab.item_tokens(codes)
    assert (tokens[..., 0, :] == vocab.pad).all()
    assert torch.equal(tokens[..., 1:, :], vocab.tokens(codes)[..., 1:, :])


def test_users_share_tokens_modulo_their_number():
    vocab = SemanticVocab((4,), n_user_tokens=3)
    assert [vocab.user_token(user) for user in range(5)] == [5, 6, 7, 5, 6]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: SemanticVocab(()), r"codebook_sizes=\[\] must hold at least one level"),
        (
            lambda: SemanticVocab((4, 0)),
            r"codebook_sizes=\[4, 0\] must hold at least one level, each of at least one code",
        ),
        (lambda: SemanticVocab((4,), -1), "n_user_tokens=-1 must be an integer >= 0"),
        (lambda: SemanticVocab((4,)).user, "set tokenize.n_user_tokens to 1 or more"),
        (lambda: SemanticVocab((4, 4)).tokens(torch.zeros(2, 3)), "got 3 codes per item, the vocabulary has 2 levels"),
    ],
)
def test_mistakes_are_named(build, message):
    with pytest.raises(InputError, match=message):
        build()
