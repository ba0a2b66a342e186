"""The health callback: what it logs is what the codes say, and it warns once, with a remedy."""

import logging
from types import SimpleNamespace

import pytest
import torch

from tigerlite.callbacks.codebook_health import CodebookHealth, low_perplexity
from tigerlite.evaluation.codes import codes_health
from tigerlite.tokenizers.rqvae_config import RQVAEConfig

CODES = torch.tensor([[0, 0], [1, 0], [2, 0], [3, 0]] * 5)


class Tokenizer:
    """A module whose level 1 is used evenly and whose level 2 has one code."""

    codebook_sizes = (4, 10)

    def __init__(self, **settings):
        self.logged = {}
        self.config = RQVAEConfig(**settings)

    def training_codes(self):
        return CODES

    def log_dict(self, values, **_):
        self.logged.update(values)


def end_epoch(callback, epoch, *, is_global_zero=True):
    module = Tokenizer()
    callback.on_train_epoch_end(SimpleNamespace(current_epoch=epoch, is_global_zero=is_global_zero), module)
    return module.logged


def test_logged_values_are_those_of_the_codes():
    logged = end_epoch(CodebookHealth(), 0)
    assert logged == {
        "tokenize/collision_rate": pytest.approx(16 / 20),
        "tokenize/level1/usage": 1.0,
        "tokenize/level1/perplexity": pytest.approx(4.0),
        "tokenize/level1/dead": 0.0,
        "tokenize/level2/usage": 1 / 10,
        "tokenize/level2/perplexity": 1.0,
        "tokenize/level2/dead": 9.0,
    }


def test_a_level_hardly_used_is_warned_about_once_with_the_remedy(caplog):
    callback = CodebookHealth(patience=3)
    with caplog.at_level(logging.WARNING):
        for epoch in range(2):
            end_epoch(callback, epoch)
        assert caplog.messages == []
        for epoch in range(2, 5):
            end_epoch(callback, epoch)
    (message,) = caplog.messages
    assert "level 2 spreads the items over 1.0 of 10 codes" in message
    assert "(perplexity, 9 dead); give the items distinct texts, or take fewer codes in tokenize.rqvae" in message


def test_settings_are_advised_only_where_they_are_not_set_already():
    _, low = codes_health(CODES.numpy(), (4, 10))
    said = low_perplexity(2, low, RQVAEConfig(kmeans_init=False, revive_after=0))
    assert "set tokenize.rqvae.kmeans_init=true, set tokenize.rqvae.revive_after=1, give the items" in said


def test_a_resumed_run_does_not_repeat_the_warning(caplog):
    first = CodebookHealth(patience=1)
    end_epoch(first, 0)
    resumed = CodebookHealth(patience=1)
    resumed.load_state_dict(first.state_dict())
    caplog.clear()
    end_epoch(resumed, 1)
    assert caplog.messages == []


def test_only_the_first_process_warns(caplog):
    end_epoch(CodebookHealth(patience=1), 0, is_global_zero=False)
    assert caplog.messages == []
