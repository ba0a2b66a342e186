"""What every tokenizer in closed form promises; a new one is one line in `CONFIGS`."""

from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
import torch

from tigerlite.config import ConfigError, InputError
from tigerlite.tokenizers import CLOSED_FORM, KINDS, SOFT, TOKENIZERS, TRAINED
from tigerlite.tokenizers.hierarchical import HierarchicalConfig
from tigerlite.tokenizers.opq import OPQConfig
from tigerlite.tokenizers.pq import PQConfig
from tigerlite.tokenizers.random import RandomConfig
from tigerlite.tokenizers.rqkmeans import RQKMeansConfig
from tigerlite.tokenizers.saved import load_tokenizer

CONFIGS = {
    "rqkmeans": RQKMeansConfig(codebook_sizes=(8, 6)),
    "rqkmeans, balanced": RQKMeansConfig(codebook_sizes=(8, 6), balanced=True),
    "rqkmeans, whitened": RQKMeansConfig(codebook_sizes=(8, 6), whiten=5),
    "pq": PQConfig(codebook_sizes=(8, 6)),
    "opq": OPQConfig(codebook_sizes=(8, 8), rotations=5),
    "hierarchical": HierarchicalConfig(codebook_sizes=(8, 6)),
    "hierarchical, whitened": HierarchicalConfig(codebook_sizes=(8, 6), whiten=5),
    "random": RandomConfig(codebook_sizes=(64, 64)),
}
BY_DISTANCE = [name for name in CONFIGS if name != "random"]


def fit(name: str, rows: np.ndarray, **changes):
    module = import_module(TOKENIZERS[name.partition(",")[0]])
    return module.fit(rows, replace(CONFIGS[name], **changes))


def items(n_items=200, width=12, seed=0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    centres = 3 * generator.normal(size=(10, width))
    return (centres[np.arange(n_items) % 10] + generator.normal(size=(n_items, width)) + 1).astype(np.float32)


def test_every_member_is_here():
    assert {name.partition(",")[0] for name in CONFIGS} == set(CLOSED_FORM)
    assert set(TOKENIZERS) == {*CLOSED_FORM, *TRAINED, *SOFT, "imported"}


@pytest.mark.parametrize("name", CONFIGS)
def test_codes_fit_their_levels_and_use_them(name):
    tokenizer = fit(name, items())
    codes = tokenizer.encode(torch.from_numpy(items()))
    assert codes.shape == (200, 2)
    assert tokenizer.codebook_sizes == CONFIGS[name].codebook_sizes
    for level, size in enumerate(tokenizer.codebook_sizes):
        assert len(codes[:, level].unique()) >= min(size, 60) - 2
        assert int(codes[:, level].max()) < size


@pytest.mark.parametrize("name", CONFIGS)
def test_the_seed_decides_the_codes(name):
    first, again = (fit(name, items()).encode(items()) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, fit(name, items(), seed=1).encode(items()))


@pytest.mark.parametrize("name", CONFIGS)
def test_a_saved_tokenizer_gives_the_same_codes_and_distances(name, tmp_path):
    tokenizer = fit(name, items())
    tokenizer.save(tmp_path)
    loaded = load_tokenizer(tmp_path)
    assert type(loaded) is type(tokenizer)
    assert loaded.codebook_sizes == tokenizer.codebook_sizes
    assert torch.equal(loaded.encode(items()), tokenizer.encode(items()))
    rows, prefixes = np.arange(5), tokenizer.encode(items()).numpy()[:5, :1]
    np.testing.assert_array_equal(
        loaded.space(items()).distances(rows, prefixes), tokenizer.space(items()).distances(rows, prefixes)
    )


@pytest.mark.parametrize("name", BY_DISTANCE)
def test_a_new_item_is_encoded_as_it_would_have_been_among_the_others(name):
    tokenizer = fit(name, items()[:150])
    together = tokenizer.encode(items())
    for row in (3, 160, 199):
        assert torch.equal(tokenizer.encode(items()[row : row + 1])[0], together[row])


@pytest.mark.parametrize("name", BY_DISTANCE)
def test_every_code_is_the_nearest_after_the_codes_before_it(name):
    tokenizer = fit(name, items())
    codes, space, rows = tokenizer.encode(items()).numpy(), tokenizer.space(items()), np.arange(200)
    for level in range(2):
        distances = space.distances(rows, codes[:, :level])
        chosen = np.take_along_axis(distances, codes[:, level : level + 1], axis=1)[:, 0]
        np.testing.assert_allclose(chosen, distances.min(axis=1), rtol=1e-4, atol=1e-4)
        first = space.first_choices(rows, codes[:, :level], 3)
        expected = np.argsort(distances, axis=1, kind="stable")[:, : first.shape[1]]
        np.testing.assert_array_equal(np.where(first < 0, expected, first), expected)
        assert (first[:, 0] >= 0).mean() > 0.9


# The rotation of opq is found by many small steps, which rounding leads elsewhere.
@pytest.mark.parametrize("name", [name for name in BY_DISTANCE if name != "opq"])
def test_shift_and_scale_of_the_embeddings_change_no_clustering(name):
    plain, moved = fit(name, items()), fit(name, 4 * items() + 7)
    same = (plain.encode(items()) == moved.encode(4 * items() + 7)).float().mean()
    assert same > 0.95  # rounding moves an item here and there


@pytest.mark.parametrize("name", BY_DISTANCE)
def test_identical_items_all_get_one_code(name):
    if "whitened" in name:
        pytest.skip("identical items have no direction to whiten")
    flat = np.ones((40, 12), dtype=np.float32)
    assert len(fit(name, flat).encode(flat).unique(dim=0)) == 1


@pytest.mark.parametrize("name", BY_DISTANCE)
def test_matrices_that_do_not_fit_are_refused(name):
    method = name.partition(",")[0]
    with pytest.raises(
        InputError, match=rf"5 items cannot fill 8 codes; set tokenize.{method}.codebook_sizes to at most 5"
    ):
        fit(name, items(5), whiten=0)
    damaged = items()
    damaged[7, 2] = np.nan
    with pytest.raises(InputError, match="embeddings hold NaN or infinity in 1 of 200 rows, first in row 7"):
        fit(name, damaged)
    with pytest.raises(InputError, match="first in row 7"):
        fit(name, items()).encode(damaged)
    with pytest.raises(InputError, match=r"embeddings have shape \(3, 5\); this tokenizer takes \(N, 12\)"):
        fit(name, items()).encode(np.zeros((3, 5)))
    with pytest.raises(InputError, match=rf"tokenize.{method}.whiten=12, but .* span only 4 directions"):
        fit(name, items()[:, :4] @ np.eye(4, 12, dtype=np.float32), whiten=12)


@pytest.mark.parametrize("name", CLOSED_FORM)
def test_settings_out_of_range_are_refused(name):
    kind = type(CONFIGS[name])
    with pytest.raises(ConfigError, match=r"codebook_sizes=\[\] is out of range; allowed: at least one level"):
        kind(codebook_sizes=())
    with pytest.raises(ConfigError, match=r"codebook_sizes=\[8, 0\] is out of range; allowed: integers >= 1"):
        kind(codebook_sizes=(8, 0))
    with pytest.raises(ConfigError, match="seed=-1 is out of range"):
        kind(seed=-1)
    if name != "random":
        with pytest.raises(ConfigError, match="whiten=-1 is out of range"):
            kind(whiten=-1)
        with pytest.raises(ConfigError, match="iterations=0 is out of range"):
            kind(iterations=0)


def test_kinds_name_classes_that_load():
    for place in KINDS.values():
        module, _, name = place.rpartition(".")
        assert callable(getattr(import_module(module), name).load)
