"""Agreement of mixtures and codes: against loops over items, and where one code has everything."""

import pytest
import torch

from tigerlite.tokenizers.soft_agreement import agreement
from tigerlite.tokenizers.soft_rqvae import SoftRQVAE
from tigerlite.tokenizers.soft_rqvae_config import SoftRQVAEConfig


def made(temperature: float) -> SoftRQVAE:
    torch.manual_seed(0)
    tokenizer = SoftRQVAE(SoftRQVAEConfig(hidden_sizes=(8,), latent=4, codebook_sizes=(6, 5)), 7)
    tokenizer.initialise(tokenizer.normalise(EMBEDDINGS))
    tokenizer.quantizer.set_temperature(temperature)
    return tokenizer.eval()


EMBEDDINGS = torch.randn(40, 7, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_figures_are_those_of_a_loop_over_items():
    tokenizer = made(0.05)
    found = agreement(tokenizer, EMBEDDINGS, chunk=7)
    inputs = tokenizer.normalise(EMBEDDINGS)
    largest, same, errors = torch.zeros(2), torch.zeros(2), torch.zeros(2)
    all_same = 0
    for row in inputs:
        latent = tokenizer.encoder(row)
        soft = hard = latent
        mixture, vectors, equal = torch.zeros(4), torch.zeros(4), []
        for level, codebook in enumerate(tokenizer.quantizer.codebooks):
            shares = torch.softmax(-(soft - codebook).square().sum(dim=1) / 0.05, dim=0)
            code, nearest = int(shares.argmax()), int((hard - codebook).square().sum(dim=1).argmin())
            equal.append(code == nearest)
            largest[level] += shares.max() / len(inputs)
            same[level] += equal[-1] / len(inputs)
            mixture, vectors = mixture + shares @ codebook, vectors + codebook[code]
            soft, hard = soft - shares @ codebook, hard - codebook[nearest]
        all_same += all(equal)
        errors += torch.stack([(tokenizer.decoder(one) - row).square().mean() for one in (mixture, vectors)])
    variance = ((inputs - inputs.mean(dim=0)) ** 2).mean()
    assert found.largest_share == pytest.approx(largest.tolist(), rel=1e-4)
    assert found.same_code == pytest.approx(same.tolist())
    assert found.same_codes == pytest.approx(all_same / len(inputs))
    expected = (errors / len(inputs) / variance).tolist()
    assert [found.lost_by_mixtures, found.lost_by_codes] == pytest.approx(expected, rel=1e-4)
    assert found.same_codes < 1


def test_a_mixture_of_one_code_is_the_code():
    found = agreement(made(1e-7), EMBEDDINGS)
    assert found.largest_share == pytest.approx((1.0, 1.0))
    assert found.same_codes == 1
    assert found.lost_by_codes == pytest.approx(found.lost_by_mixtures, rel=1e-4)
