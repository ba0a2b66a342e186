import pytest
import torch
from transformers import T5Config as HuggingFaceConfig
from transformers import T5ForConditionalGeneration

from tigerlite.config import InputError
from tigerlite.recommenders.t5 import T5, T5Config

CONFIG = T5Config(n_encoder_layers=3, n_decoder_layers=2, d_model=24, n_heads=3, d_kv=16, d_ff=40, dropout=0.0)
VOCAB_SIZE = 50


def _histories(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(1, VOCAB_SIZE, (6, 40), generator=generator)
    mask = torch.arange(40) < torch.tensor([40, 1, 4, 17, 33, 8])[:, None]
    return tokens * mask, mask


def _their_own_weights() -> T5ForConditionalGeneration:
    torch.manual_seed(3)
    theirs = T5(CONFIG, VOCAB_SIZE).to_huggingface()
    fresh = T5ForConditionalGeneration(theirs.config)
    assert not torch.equal(fresh.shared.weight, theirs.shared.weight)
    with torch.no_grad():  # norms start at one and would hide a mix-up
        for parameter in fresh.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return fresh


@pytest.mark.parametrize("direction", ["to", "from"])
@pytest.mark.parametrize("padded", [False, True])
def test_logits_equal_those_of_transformers(direction, padded):
    theirs = _their_own_weights()
    ours = T5.from_huggingface(theirs)
    if direction == "to":
        theirs = ours.to_huggingface()
    tokens, mask = _histories()
    if not padded:
        tokens, mask = tokens[:1], mask[:1]
    decoder_tokens = torch.tensor([[0, 5, 7, 9]]).expand(len(tokens), -1)
    expected = theirs(input_ids=tokens, attention_mask=mask.long(), decoder_input_ids=decoder_tokens).logits
    assert expected.abs().max() > 0.5
    torch.testing.assert_close(ours(tokens, mask, decoder_tokens), expected, atol=1e-5, rtol=1e-5)


def test_loss_and_gradients_equal_those_of_transformers():
    theirs = _their_own_weights()
    ours = T5.from_huggingface(theirs)
    tokens, mask = _histories(1)
    labels = torch.randint(1, VOCAB_SIZE, (6, 4), generator=torch.Generator().manual_seed(2))
    their_loss = theirs(input_ids=tokens, attention_mask=mask.long(), labels=labels).loss
    decoder_tokens = torch.nn.functional.pad(labels[:, :-1], (1, 0))
    loss = torch.nn.functional.cross_entropy(ours(tokens, mask, decoder_tokens).flatten(0, 1), labels.flatten())
    torch.testing.assert_close(loss, their_loss, atol=1e-6, rtol=1e-6)
    loss.backward()
    their_loss.backward()
    # Gradients travel through the same copying as weights do: put them in the weights' place and import those.
    for parameter in theirs.parameters():
        parameter.data = parameter.grad
    expected = T5.from_huggingface(theirs)
    for (name, parameter), (_, gradient) in zip(ours.named_parameters(), expected.named_parameters(), strict=True):
        torch.testing.assert_close(
            parameter.grad, gradient.data, atol=1e-6, rtol=1e-4, msg=lambda text, n=name: f"{n}: {text}"
        )


def test_there_and_back_keeps_weights_config_and_mode():
    torch.manual_seed(0)
    config = T5Config(
        n_encoder_layers=1, n_decoder_layers=2, d_model=12, n_heads=2, d_kv=8, d_ff=20, relative_buckets=16
    )
    ours = T5(config, 30).eval()
    back = T5.from_huggingface(ours.to_huggingface())
    assert back.config == config
    assert not back.training
    assert ours.state_dict().keys() == back.state_dict().keys()
    for name, weight in ours.state_dict().items():
        assert torch.equal(weight, back.state_dict()[name]), name


def test_gated_networks_are_refused():
    theirs = T5ForConditionalGeneration(
        HuggingFaceConfig(vocab_size=9, d_model=8, num_layers=1, feed_forward_proj="gated-gelu")
    )
    with pytest.raises(InputError, match=r"feed_forward_proj='gated-gelu' cannot be imported; allowed: 'relu'"):
        T5.from_huggingface(theirs)


def test_untied_networks_are_refused():
    theirs = T5ForConditionalGeneration(HuggingFaceConfig(vocab_size=9, d_model=8, num_layers=1))
    theirs.config.tie_word_embeddings = False
    with pytest.raises(InputError, match="tie_word_embeddings=False cannot be imported"):
        T5.from_huggingface(theirs)
