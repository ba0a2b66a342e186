"""Collisions: hand-worked cases, the exhaustive search as judge, and no path is ever shared."""

import json

import numpy as np
import pytest

from tigerlite.config import InputError
from tigerlite.letter_index import read_letter_index
from tigerlite.tokenizers.collisions import codebooks_from_codes, nearest_free, random_free, rank_digit


def crowded(n_items=60, sizes=(3, 4, 6), width=3, seed=0):
    """Items, many of them in one corner of a small code space, with latents and codebooks."""
    generator = np.random.default_rng(seed)
    codebooks = [generator.normal(size=(size, width)) / 2**level for level, size in enumerate(sizes)]
    codes = np.stack([generator.integers(0, (size + 1) // 2, n_items) for size in sizes], axis=1)
    latents = sum(codebook[codes[:, level]] for level, codebook in enumerate(codebooks))
    return codes, sizes, latents + 0.1 * generator.normal(size=(n_items, width)), codebooks


def is_unique(codes):
    return len(np.unique(codes, axis=0)) == len(codes)


def first_holders(codes):
    return np.unique(codes, axis=0, return_index=True)[1]


def test_rank_digits_equal_the_count_of_earlier_holders():
    from tests.reference.residual_quantization import rank_digits

    codes, sizes, _, _ = crowded()
    resolved = rank_digit(codes, sizes)
    np.testing.assert_array_equal(resolved.codes[:, :-1], codes)
    np.testing.assert_array_equal(resolved.codes[:, -1], rank_digits(codes))
    assert is_unique(resolved.codes)
    assert resolved.codebook_sizes == (*sizes, resolved.largest_group)
    assert resolved.codes[:, -1].max() == resolved.largest_group - 1


def test_items_without_collisions_get_a_last_level_of_one_code():
    resolved = rank_digit(np.array([[0, 1], [1, 0]]), (2, 2))
    assert resolved.codes.tolist() == [[0, 1, 0], [1, 0, 0]]
    assert resolved.codebook_sizes == (2, 2, 1)
    assert (resolved.n_distinct, resolved.n_duplicates, resolved.largest_group) == (2, 0, 1)


def test_more_items_in_a_group_than_digits_are_refused():
    codes = np.array([[1, 1]] * 3 + [[0, 1]])
    assert rank_digit(codes, (2, 2), max_digits=3).codebook_sizes == (2, 2, 3)
    with pytest.raises(
        InputError, match=r"3 items share the codes \[1, 1\], more than tokenize.max_digits=2; raise it"
    ):
        rank_digit(codes, (2, 2), max_digits=2)


@pytest.mark.parametrize("seed", range(5))
def test_nearest_free_equals_the_exhaustive_search(seed):
    from tests.reference import residual_quantization as reference

    codes, sizes, latents, codebooks = crowded(seed=seed)
    resolved = nearest_free(codes, sizes, latents=latents, codebooks=codebooks)
    np.testing.assert_array_equal(resolved.codes, reference.nearest_free(codes, latents, codebooks))
    # The cases reach past the last level, or the test would not see the search move upwards.
    assert (resolved.codes[:, :-1] != codes[:, :-1]).any()


def test_nearest_free_fills_the_code_space_to_the_last_path():
    sizes = (2, 2, 3)
    codes, latents = np.zeros((12, 3), dtype=int), np.zeros((12, 2))
    codebooks = [np.random.default_rng(0).normal(size=(size, 2)) for size in sizes]
    resolved = nearest_free(codes, sizes, latents=latents, codebooks=codebooks)
    assert is_unique(resolved.codes)
    with pytest.raises(InputError, match=r"13 items do not fit into 12 code paths of levels \[2, 2, 3\]"):
        nearest_free(np.zeros((13, 3), dtype=int), sizes, latents=np.zeros((13, 2)), codebooks=codebooks)


def test_the_published_example_leaves_first_holders_alone():
    # In item order: B and D duplicate A, C has the path that a naive scan would give to B.
    codes = np.array([[7, 7, 7, 0], [7, 7, 7, 0], [7, 7, 7, 1], [7, 7, 7, 0]])
    last = np.arange(10.0)[:, None]  # code d lies at d: the nearest free codes to 0 are 2 and then 3
    codebooks = [np.zeros((10, 1))] * 3 + [last]
    resolved = nearest_free(codes, (10,) * 4, latents=np.zeros((4, 1)), codebooks=codebooks)
    assert resolved.codes[:, -1].tolist() == [0, 2, 1, 3]
    assert (resolved.n_distinct, resolved.n_duplicates, resolved.largest_group) == (2, 2, 3)


def test_random_free_moves_duplicates_only_and_within_their_prefix_while_there_is_room():
    codes, sizes, _, _ = crowded(n_items=40, sizes=(4, 4, 64))
    resolved = random_free(codes, sizes, generator=np.random.default_rng(0))
    assert is_unique(resolved.codes)
    keep = first_holders(codes)
    np.testing.assert_array_equal(resolved.codes[keep], codes[keep])
    np.testing.assert_array_equal(resolved.codes[:, :-1], codes[:, :-1])
    again = random_free(codes, sizes, generator=np.random.default_rng(0))
    np.testing.assert_array_equal(resolved.codes, again.codes)


def test_random_free_can_draw_every_free_code():
    codes = np.zeros((2, 2), dtype=int)
    drawn = [random_free(codes, (1, 8), generator=np.random.default_rng(seed)).codes.tolist() for seed in range(200)]
    assert {tuple(first) for first, _ in drawn} == {(0, 0)}
    assert {second[1] for _, second in drawn} == set(range(1, 8))


def test_random_free_moves_upwards_when_a_prefix_is_full():
    resolved = random_free(np.zeros((6, 2), dtype=int), (3, 2), generator=np.random.default_rng(0))
    assert is_unique(resolved.codes)
    assert resolved.codes[:2, 0].tolist() == [0, 0]


def test_long_paths_do_not_overflow():
    codes = np.zeros((3, 20), dtype=int)
    resolved = random_free(codes, (256,) * 20, generator=np.random.default_rng(0))
    assert is_unique(resolved.codes)


def test_codebooks_from_codes_recover_the_vectors_behind_the_codes():
    generator = np.random.default_rng(0)
    first, second = generator.normal(size=(3, 4)), generator.normal(size=(3, 4))
    codes = np.array([[a, b] for a in range(3) for b in range(3)])
    found = codebooks_from_codes(first[codes[:, 0]] + second[codes[:, 1]], codes, (3, 4))
    # Vectors are known up to a constant that can move between the levels.
    np.testing.assert_allclose(found[0], first + second.mean(axis=0))
    np.testing.assert_allclose(found[1][:3], second - second.mean(axis=0))
    assert np.isinf(found[1][3]).all()


def test_codes_without_items_are_taken_last():
    embeddings = np.zeros((4, 1))
    codes = np.array([[0, 0], [0, 0], [1, 2], [0, 0]])
    codebooks = codebooks_from_codes(embeddings, codes, (2, 4))
    resolved = nearest_free(codes, (2, 4), latents=embeddings, codebooks=codebooks)
    assert resolved.codes[:, 1].tolist() == [0, 2, 2, 1]


@pytest.mark.parametrize(("name", "n_items", "n_duplicates"), [("yelp", 20033, 832), ("instruments", 9922, 25)])
def test_published_indices_have_the_known_duplicates(test_data, name, n_items, n_duplicates):
    file = test_data / name / "index.json"
    codes = read_letter_index(file, list(json.loads(file.read_text())))[1:]
    digits = rank_digit(codes, (256,) * 4)
    free = random_free(codes, (256,) * 4, generator=np.random.default_rng(0))
    for resolved in (digits, free):
        assert (len(resolved.codes), resolved.n_duplicates) == (n_items, n_duplicates)
        assert resolved.n_distinct == n_items - n_duplicates
        assert is_unique(resolved.codes)
