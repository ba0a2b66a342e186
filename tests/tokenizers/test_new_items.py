"""New items: known rows untouched, every path unique, digits and free paths as the same bank would give, clear refusals."""

from importlib import import_module

import pytest
import torch

from tigerlite.config import InputError
from tigerlite.tokenizers import CLOSED_FORM, TOKENIZERS
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.collisions import nearest_free, nearest_free_in, rank_digit
from tigerlite.tokenizers.new_items import add_items
from tigerlite.tokenizers.rqvae import RQVAE
from tigerlite.tokenizers.rqvae_config import RQVAEConfig
from tigerlite.tokenizers.saved import tokenizer_fingerprint
from tigerlite.tokenizers.vocabulary import SemanticVocab

WIDTH = 6
CONFIG = RQVAEConfig(hidden_sizes=(8,), latent=4, codebook_sizes=(4, 4), standardise=False)


@pytest.fixture(scope="module")
def tokenizer() -> RQVAE:
    """Untrained, but with codebooks that fit the items."""
    torch.manual_seed(0)
    model = RQVAE(CONFIG, WIDTH).eval()
    model.quantizer.initialise(model.latents(embeddings(40)), seed=0)
    return model


def embeddings(n_items: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n_items, WIDTH, generator=torch.Generator().manual_seed(seed))


def padded(codes) -> torch.Tensor:
    codes = torch.as_tensor(codes)
    return torch.cat([torch.zeros_like(codes[:1]), codes])[None]


@pytest.fixture
def with_digits(tokenizer) -> TokenizerBank:
    found = rank_digit(tokenizer.encode(embeddings(12)).numpy(), CONFIG.codebook_sizes)
    return TokenizerBank(padded(found.codes), SemanticVocab(found.codebook_sizes))


@pytest.fixture
def nearest(tokenizer) -> TokenizerBank:
    latents = tokenizer.latents(embeddings(12)).numpy()
    books = [book.vectors.detach().numpy() for book in tokenizer.quantizer.codebooks]
    codes = tokenizer.encode(embeddings(12)).numpy()
    found = nearest_free(codes, CONFIG.codebook_sizes, latents=latents, codebooks=books)
    return TokenizerBank(padded(found.codes), SemanticVocab(found.codebook_sizes))


@pytest.mark.parametrize("kind", ["with_digits", "nearest"])
def test_known_items_keep_their_codes_and_all_paths_stay_unique(kind, tokenizer, request):
    bank = request.getfixturevalue(kind)
    extended = bank.add(embeddings(4, seed=1), tokenizer)
    assert torch.equal(extended.codes[:, : bank.n_items + 1], bank.codes)
    assert extended.n_items == bank.n_items + 4
    assert len({tuple(path) for path in extended.primary[1:].tolist()}) == extended.n_items


def test_a_new_item_gets_the_codes_of_its_embedding_and_the_next_digit(with_digits, tokenizer):
    again = embeddings(12)[[3, 3]]  # twice an item that is known already
    extended = add_items(with_digits, again, tokenizer)
    known = with_digits.primary[4].tolist()
    group = [path for path in with_digits.primary[1:].tolist() if path[:2] == known[:2]]
    assert extended.primary[-2:].tolist() == [[*known[:2], len(group)], [*known[:2], len(group) + 1]]


def test_digits_equal_those_of_a_bank_made_at_once(with_digits, tokenizer):
    both = torch.cat([embeddings(12), embeddings(9, seed=2)])
    expected = rank_digit(tokenizer.encode(both).numpy(), CONFIG.codebook_sizes)
    roomy = TokenizerBank(with_digits.codes, SemanticVocab(expected.codebook_sizes))
    assert roomy.add(embeddings(9, seed=2), tokenizer).primary[1:].tolist() == expected.codes.tolist()


def test_where_a_group_has_no_digit_left_the_nearest_path_with_a_free_one_is_taken(with_digits, tokenizer):
    size = with_digits.vocab.codebook_sizes[-1]
    row = embeddings(12)[:1]
    extended = with_digits.add(row.expand(size + 1, -1), tokenizer)
    assert extended.vocab == with_digits.vocab
    taken = {tuple(path) for path in with_digits.primary[1:].tolist()}
    first = tokenizer.encode(row)[0].tolist()
    nearest = tokenizer.last_level_distances(row)[0].argsort().tolist()
    free = [
        (first[0], code, digit) for code in nearest for digit in range(size) if (first[0], code, digit) not in taken
    ]
    assert [tuple(path) for path in extended.primary[13:].tolist()] == free[: size + 1]


@pytest.mark.parametrize("method", CLOSED_FORM)
@pytest.mark.parametrize("collisions", ["rank_digit", "nearest_free"])
def test_every_closed_form_takes_new_items(method, collisions):
    config = {"pq": {"codebook_sizes": (8, 8)}, "opq": {"codebook_sizes": (8, 8)}}.get(
        method, {"codebook_sizes": (8, 16)}
    )
    module = import_module(TOKENIZERS[method])
    (settings,) = [value for name, value in vars(module).items() if name.lower() == f"{method}config"]
    made = module.fit(embeddings(40), settings(**config))
    codes = made.encode(embeddings(40)).numpy()
    found = (
        rank_digit(codes, made.codebook_sizes)
        if collisions == "rank_digit"
        else nearest_free_in(codes, made.codebook_sizes, made.space(embeddings(40)))
    )
    bank = TokenizerBank(padded(found.codes), SemanticVocab(found.codebook_sizes))
    new = torch.cat([embeddings(40)[:3], embeddings(4, seed=9)])
    extended = bank.add(new, made)
    assert extended.vocab == bank.vocab
    assert torch.equal(extended.codes[:, :41], bank.codes)
    assert len(extended.primary[1:].unique(dim=0)) == 47


def test_a_tokenizer_that_did_not_make_the_bank_is_refused(with_digits, tokenizer):
    torch.manual_seed(5)
    other = RQVAE(CONFIG, WIDTH).eval()
    made = {"members": [{"tokenizer": tokenizer_fingerprint(tokenizer)}]}
    bank = TokenizerBank(with_digits.codes, with_digits.vocab, provenance=made)
    extended = bank.add(embeddings(2, seed=1), tokenizer)
    assert extended.provenance["members"] == made["members"]
    with pytest.raises(InputError, match="the bank was made by the tokenizer [0-9a-f]{16} but [0-9a-f]{16} was given"):
        extended.add(embeddings(2, seed=1), other)
    unknown = TokenizerBank(with_digits.codes, with_digits.vocab, provenance={"members": [{"tokenizer": None}]})
    with pytest.raises(InputError, match="the tokenizer of member 1 was not kept"):
        unknown.add(embeddings(2, seed=1), tokenizer)


def test_a_taken_path_is_left_for_the_nearest_free_one(nearest, tokenizer):
    taken = {tuple(path) for path in nearest.primary[1:].tolist()}
    firsts = tokenizer.encode(embeddings(12))[:, 0].tolist()
    row = next(row for row, code in enumerate(firsts) if any((code, last) not in taken for last in range(4)))
    extended = nearest.add(embeddings(12)[[row]], tokenizer)
    nearest_last = tokenizer.last_level_distances(embeddings(12)[[row]])[0].argsort().tolist()
    free = [code for code in nearest_last if (firsts[row], code) not in taken]
    assert extended.primary[-1].tolist() == [firsts[row], free[0]]


def test_a_new_item_does_not_take_the_path_that_another_new_item_has_by_nature(tokenizer):
    rows = embeddings(12)
    codes = tokenizer.encode(rows)
    others = [row for row in range(1, 12) if codes[row, 0] == codes[0, 0] and codes[row, 1] != codes[0, 1]]
    bank = TokenizerBank(padded(codes[:1]), SemanticVocab(CONFIG.codebook_sizes))
    new = torch.stack([rows[0], *(rows[row] for row in others)])
    extended = bank.add(new, tokenizer)
    distinct = {tuple(codes[row].tolist()) for row in others}
    assert len(others) > 1
    assert distinct <= {tuple(path) for path in extended.primary[2:].tolist()}
    assert tuple(extended.primary[2].tolist()) not in distinct


def test_buckets_are_shared(tokenizer):
    bank = TokenizerBank(padded(tokenizer.encode(embeddings(3))), SemanticVocab(CONFIG.codebook_sizes), buckets=True)
    extended = bank.add(embeddings(3)[:1], tokenizer)
    assert extended.primary[-1].tolist() == bank.primary[1].tolist()


def test_every_member_has_its_own_tokenizer(with_digits, tokenizer):
    torch.manual_seed(1)
    other = RQVAE(CONFIG, WIDTH).eval()
    other.quantizer.initialise(other.latents(embeddings(40)), seed=1)
    second = rank_digit(other.encode(embeddings(12)).numpy(), CONFIG.codebook_sizes)
    shared = SemanticVocab((4, 4, 12))  # digits for all, so that nobody has to move
    bank = TokenizerBank(torch.cat([with_digits.codes, padded(second.codes)]), shared)
    extended = bank.add(embeddings(5, seed=3), tokenizer, other)
    assert torch.equal(extended.codes[0, -5:, :2], tokenizer.encode(embeddings(5, seed=3)))
    assert torch.equal(extended.codes[1, -5:, :2], other.encode(embeddings(5, seed=3)))
    with pytest.raises(InputError, match="the bank has 2 members but 1 tokenizers were given"):
        bank.add(embeddings(5), tokenizer)


def test_mistakes_are_one_line(with_digits, nearest, tokenizer):
    with pytest.raises(InputError, match=r"embeddings of new items have shape \(0, 6\)"):
        with_digits.add(embeddings(0), tokenizer)
    broken = embeddings(3)
    broken[1, 2] = torch.nan
    with pytest.raises(InputError, match="the embedding of new item 2 holds NaN or infinity"):
        with_digits.add(broken, tokenizer)
    with pytest.raises(InputError, match=r"the tokenizer has levels \[4, 4\] but the bank \[9, 9\]"):
        TokenizerBank(nearest.codes, SemanticVocab((9, 9))).add(embeddings(1), tokenizer)
    with pytest.raises(InputError, match="17 items do not fit into 16 code paths"):
        nearest.add(embeddings(5, seed=4), tokenizer)
    with pytest.raises(InputError, match=r"embeddings have shape \(2, 3\); this tokenizer takes \(N, 6\)"):
        with_digits.add(torch.ones(2, 3), tokenizer)
