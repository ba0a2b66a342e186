"""Which pictures a set of results has, and where they go."""

import numpy as np

from tigerlite.evaluation.curves import Curve
from tigerlite.evaluation.pictures import save_figures, slice_figures, training_figures
from tigerlite.evaluation.prefix import summarise_prefixes
from tigerlite.evaluation.slices import head_tail, label_and_prediction_deciles

COUNTS = np.array([0, 3, 1])
TARGETS = np.array([1, 2, 2])
CURVE = Curve(np.array([1.0, 2.0]), np.array([0.5, 0.25]))


def slices(**changes) -> dict:
    ranks, lists = {"tiger": np.array([1, 0, 2])}, {"tiger": np.array([[1, 2], [1, 0], [1, 2]])}
    found = {
        "head_tail": head_tail(ranks, TARGETS, COUNTS),
        "deciles": label_and_prediction_deciles(lists, TARGETS, COUNTS),
        "prefix_match": {"tiger": summarise_prefixes(np.ones((3, 2, 2), dtype=bool))},
    }
    return found | changes


def test_prefix_match_is_shown_where_the_model_has_identifiers():
    assert set(slice_figures(slices())) == {"head_tail", "deciles", "prefix_match"}
    assert set(slice_figures(slices(prefix_match={}))) == {"head_tail", "deciles"}


def test_alpha_and_weights_are_shown_where_training_had_them():
    assert set(training_figures("run", {"train/loss": CURVE}, {})) == {"training"}
    everything = training_figures("run", {"trajectory/alpha/frequency": CURVE}, {"frequency": np.ones((4, 2))})
    assert set(everything) == {"training", "alpha", "weight_profile"}


def test_pictures_are_files_named_like_them(tmp_path):
    files = save_figures(training_figures("run", {"train/loss": CURVE}, {}), tmp_path)
    assert files == {"training": tmp_path / "training.png"}
    assert files["training"].read_bytes().startswith(b"\x89PNG")
