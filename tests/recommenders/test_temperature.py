"""The fitted temperature is the best of a fine grid, undoes a planted one, and reaches every way of decoding."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.callbacks import test_group_sampling as mixing
from tests.recommenders.test_copying import HEADS, HISTORIES, TARGETS, model
from tigerlite.config import InputError, to_dict
from tigerlite.data.sequences import Batch
from tigerlite.recommenders.temperature import apply_temperature, fit_temperature
from tigerlite.recommenders.tiger import TIGER


def drawn_from(found: TIGER, n_users: int = 200) -> list[Batch]:
    """Targets drawn from what the model says of random histories, a third of them from a flatter distribution."""
    generator = torch.Generator().manual_seed(0)
    histories = torch.randint(1, 13, (n_users, 4), generator=generator)
    likely = copy.deepcopy(found)
    likely.decoding = "exact"
    ranked = likely.recommend(histories, 12)
    flatter = torch.where(torch.arange(n_users)[:, None] % 3 == 0, 0.3, 1.0)
    places = torch.multinomial((ranked.scores * flatter).softmax(dim=1), 1, generator=generator)
    targets = ranked.items.gather(1, places)[:, 0]
    rows = zip(histories.split(64), targets.split(64), torch.arange(n_users).split(64), strict=True)
    return [Batch(*part) for part in rows]


def slow_loss(found: TIGER, batches: list[Batch], temperature: float) -> float:
    """Cross-entropy per item with every logit divided, from the histories on."""
    heated = copy.deepcopy(found)
    apply_temperature(heated, temperature)
    with torch.no_grad():
        losses = [heated.token_losses(batch.histories, batch.targets).sum(dim=1) for batch in batches]
    return float(torch.cat(losses).mean())


def sharp(factor: float = 0.2, **settings) -> TIGER:
    found = model(**settings)
    apply_temperature(found, factor)
    return found


@pytest.mark.parametrize("head", HEADS)
def test_no_temperature_of_a_grid_is_better(head):
    found, batches = sharp(0.4, head=head), drawn_from(model(head))
    fitted = fit_temperature(found, batches)
    assert fitted.loss_before == pytest.approx(slow_loss(found, batches, 1.0), rel=1e-5)
    assert fitted.loss_after == pytest.approx(slow_loss(found, batches, fitted.temperature), rel=1e-5)
    assert fitted.n_targets == 200
    assert 1.5 < fitted.temperature < 8
    grid = [slow_loss(found, batches, float(other)) for other in np.geomspace(0.1, 10, 41)]
    assert fitted.loss_after <= min(grid) + 1e-5
    assert fitted.loss_after < fitted.loss_before


def test_what_was_made_too_sure_is_made_less_so_by_as_much():
    settings = replace(mixing.config().tiger, copy=False)
    torch.manual_seed(0)
    plain = TIGER(to_dict(settings), mixing.bank(1)).eval()
    batches, before = drawn_from(plain), plain.token_losses(HISTORIES, TARGETS)
    reference = fit_temperature(plain, batches).temperature
    assert torch.equal(plain.token_losses(HISTORIES, TARGETS), before)  # fitting leaves the model alone
    apply_temperature(plain, 0.5)
    assert fit_temperature(plain, batches).temperature * 0.5 == pytest.approx(reference, rel=1e-2)
    assert 1 < reference < 5


def test_a_model_that_is_not_sure_enough_is_sharpened_only_where_that_is_allowed():
    flat = sharp(4.0)
    batches = drawn_from(model())
    assert fit_temperature(flat, batches).temperature < 0.6
    kept = fit_temperature(flat, batches, sharpen=False)
    assert (kept.temperature, kept.loss_after) == (1.0, kept.loss_before)


@pytest.mark.parametrize("scoring", HEADS)
def test_beams_and_exact_decoding_score_by_the_divided_logits(scoring):
    found = model(scoring)
    cold = found.recommend(HISTORIES, 12)
    apply_temperature(found, 1.7)
    losses = found.token_losses(HISTORIES, TARGETS).sum(dim=1)
    found.n_beams = 12
    beams = found.recommend(HISTORIES, 12)
    found.decoding = "exact"
    exact = found.recommend(HISTORIES, 12)
    assert torch.equal(beams.items, exact.items)
    torch.testing.assert_close(beams.scores[beams.items == TARGETS[:, None]], -losses)
    assert not torch.allclose(beams.scores, cold.scores)


def test_it_is_in_the_saved_weights(tmp_path):
    found = sharp()
    found.save(tmp_path)
    loaded = TIGER.load(tmp_path)
    assert loaded.fingerprint == found.fingerprint != model().fingerprint
    assert torch.equal(loaded.recommend(HISTORIES, 5).scores, found.recommend(HISTORIES, 5).scores)


def test_smoothed_training_does_not_make_the_loss_of_the_fit():
    smooth, plain = model(label_smoothing=0.3), model()
    smooth.load_state_dict(plain.state_dict())
    batches = drawn_from(plain)
    assert fit_temperature(smooth, batches) == fit_temperature(plain, batches)
    assert smooth.train().token_losses(HISTORIES, TARGETS).sum() != plain.train().token_losses(HISTORIES, TARGETS).sum()


def test_a_temperature_needs_a_trained_model_and_a_positive_number():
    broken = model()
    torch.nn.init.constant_(broken.t5.embedding.weight, torch.nan)
    with pytest.raises(InputError, match="validation loss is nan"):
        fit_temperature(broken, drawn_from(model()))
    for temperature in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="out of range; allowed: a number > 0"):
            apply_temperature(model(), temperature)
