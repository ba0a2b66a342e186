"""Which embedding a token starts with, and what cannot start what."""

import pytest
import torch

from tigerlite.config import InputError, to_dict
from tigerlite.recommenders.start_weights import EMBEDDING, moved, start_from
from tigerlite.recommenders.t5 import T5Config
from tigerlite.recommenders.tiger import TIGER
from tigerlite.recommenders.tiger_config import TIGERConfig
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.vocabulary import SemanticVocab


def model(sizes: tuple[int, ...], **changes) -> TIGER:
    bank = TokenizerBank(torch.tensor([[[0, 0], [0, 1], [1, 0]]]), SemanticVocab(sizes))
    t5 = T5Config(n_encoder_layers=1, n_decoder_layers=1, d_model=8, n_heads=2, d_kv=4, d_ff=16)
    return TIGER(to_dict(TIGERConfig(t5=t5, **changes)), bank)


@pytest.mark.parametrize(("n_old", "n_new"), [(2, 5), (5, 2), (3, 3)])
def test_every_token_of_both_vocabularies_keeps_its_embedding(n_old, n_new):
    old, new = SemanticVocab((4, n_old), n_user_tokens=1), SemanticVocab((4, n_new), n_user_tokens=1)
    theirs, ours = torch.rand(old.size, 3), torch.rand(new.size, 3)
    found = moved(theirs, old, ours, new)
    for code in range(4):
        assert torch.equal(found[new.offsets[0] + code], theirs[old.offsets[0] + code])
    for digit in range(n_new):
        known = digit < n_old
        expected = theirs[old.offsets[1] + digit] if known else ours[new.offsets[1] + digit]
        assert torch.equal(found[new.offsets[1] + digit], expected)
    for name in ("pad", "user", "bos", "eos"):
        assert torch.equal(found[getattr(new, name)], theirs[getattr(old, name)])


def test_another_number_of_digits_is_moved_only_where_it_is_allowed():
    base, wider = model((2, 2)), model((2, 6))
    with pytest.raises(InputError, match=r"differs in 1 weights \(embedding.weight, ...\)"):
        start_from(base, wider, other_digits=False)
    start_from(base, wider, other_digits=True)
    theirs, ours = base.t5.state_dict(), wider.t5.state_dict()
    assert torch.equal(ours[EMBEDDING][:5], theirs[EMBEDDING][:5])
    assert all(torch.equal(ours[name], theirs[name]) for name in ours if name != EMBEDDING)


@pytest.mark.parametrize("other", [{"sizes": (3, 6)}, {"sizes": (2, 6), "user_token": False}])
def test_other_codes_or_user_tokens_cannot_be_started(other):
    with pytest.raises(InputError, match="the same t5 sizes and user_token"):
        start_from(model((2, 2)), model(**other), other_digits=True)
