"""UniGRec's tokenizer: an autoencoder whose latent is a residual sum of mixtures of codes (arXiv 2601.17438).

No codebook or commitment loss, no moving averages: the reconstruction's gradient moves everything. Layers start Xavier-normal
with zero biases, as in the released code. Trained alone by `soft_training.py`, together with the recommender by
`recommenders/unigrec.py`.
"""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from tigerlite.config import InputError, from_dict, to_dict
from tigerlite.distributed import broadcast, is_rank_zero
from tigerlite.tokenizers.kmeans import kmeans
from tigerlite.tokenizers.normalise import checked_embeddings
from tigerlite.tokenizers.soft_quantizer import SoftQuantized, SoftQuantizer
from tigerlite.tokenizers.soft_rqvae_config import SoftRQVAEConfig
from tigerlite.tokenizers.space import AdditiveSpace
from tigerlite.tokenizers.whitening import Standardisation
from tigerlite.tokenizers.whole_float32 import whole_float32

_WEIGHTS = "tokenizer.safetensors"
_META = "tokenizer.json"
# Items encoded at a time.
_CHUNK = 4096


class SoftRQVAE(nn.Module):
    """Encoder, soft residual quantiser and decoder over item embeddings.

    Args:
        config: a `SoftRQVAEConfig`, or its primitives.
        n_dimensions: width D of the embeddings.
    """

    def __init__(self, config: SoftRQVAEConfig | dict[str, Any], n_dimensions: int) -> None:
        super().__init__()
        self.config = config if isinstance(config, SoftRQVAEConfig) else from_dict(SoftRQVAEConfig, config)
        self.n_dimensions = n_dimensions
        self.standardisation = Standardisation(n_dimensions) if self.config.normalise == "standardise" else None
        widths = [n_dimensions, *self.config.hidden_sizes, self.config.latent]
        self.encoder, self.decoder = _mlp(widths), _mlp(widths[::-1])
        start = self.config.tau_min if self.config.schedule == "constant" else self.config.tau_max
        self.quantizer = SoftQuantizer(self.config.codebook_sizes, self.config.latent, start)

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        """Codes per level."""
        return self.config.codebook_sizes

    @property
    def temperature(self) -> float:
        """Tau at which codes are read."""
        return float(self.quantizer.temperature)

    def normalise(self, embeddings: Tensor) -> Tensor:
        """Inputs (N, D) of embeddings (N, D)."""
        return self.at_length(embeddings) if self.standardisation is None else self.standardisation(embeddings)

    def at_length(self, rows: Tensor) -> Tensor:
        """Rows (B, D) that stand for inputs, at the length that those have: 1 with normalise=unit, else as they are."""
        return functional.normalize(rows, dim=1) if self.config.normalise == "unit" else rows

    def quantize(self, inputs: Tensor) -> SoftQuantized:
        """Mixtures of codes for normalised inputs (B, D), in float32 whatever the precision."""
        with whole_float32(inputs.device.type):
            return self.quantizer(self.encoder(inputs.float()))

    def reconstruct(self, quantized: SoftQuantized) -> Tensor:
        """Normalised inputs (B, D) as the decoder sees them, in float32."""
        with whole_float32(quantized.quantized.device.type):
            return self.decoder(quantized.quantized)

    def forward(self, inputs: Tensor) -> tuple[Tensor, SoftQuantized]:
        """Reconstructions (B, D) and mixtures of normalised inputs (B, D)."""
        quantized = self.quantize(inputs)
        return self.reconstruct(quantized), quantized

    @torch.no_grad()
    def initialise(self, inputs: Tensor) -> None:
        """Set each level to k-means centroids of what reaches it of normalised inputs (N, D); process 0 finds them.

        The residual after a level is the distance to the nearest centroid: at the start the temperature is no guide.

        Raises:
            InputError: if there are fewer items than codes at a level.
        """
        residual = self.encoder(inputs)
        for level, vectors in enumerate(self.quantizer.codebooks):
            centroids = torch.empty_like(vectors)
            if is_rank_zero():
                setting, seed = "tokenize.soft_rqvae.codebook_sizes", self.config.seed + level
                found = kmeans(residual.cpu().numpy(), len(vectors), seed=seed, setting=setting)
                centroids.copy_(torch.from_numpy(found))
            vectors.copy_(broadcast(centroids))
            nearest = torch.cdist(residual, vectors, compute_mode="donot_use_mm_for_euclid_dist").argmin(dim=1)
            residual = residual - vectors[nearest]

    def encode(self, embeddings: Tensor) -> Tensor:
        """Codes (N, L) of embeddings (N, D), normalisation included."""
        return self._in_chunks(embeddings, lambda inputs: self.quantize(inputs).codes)

    def space(self, embeddings: Tensor) -> AdditiveSpace:
        """Where codes of items with embeddings (N, D) lie near each other."""
        latents = self._in_chunks(embeddings, self.encoder).cpu().numpy()
        return AdditiveSpace(latents, [vectors.detach().cpu().numpy() for vectors in self.quantizer.codebooks])

    def save(self, folder: Path) -> None:
        """Write weights, codebooks, temperature and normalisation; `load` reads them back."""
        folder.mkdir(parents=True, exist_ok=True)
        state = {name: tensor.detach().contiguous().cpu() for name, tensor in self.state_dict().items()}
        save_file(state, folder / _WEIGHTS)
        meta = {"kind": "soft_rqvae", "config": to_dict(self.config), "n_dimensions": self.n_dimensions}
        (folder / _META).write_text(json.dumps(meta, indent=1) + "\n")

    @classmethod
    def load(cls, folder: Path) -> "SoftRQVAE":
        """The tokenizer that `save` wrote.

        Raises:
            InputError: if the folder holds none.
        """
        folder = Path(folder)
        if not (folder / _META).is_file() or not (folder / _WEIGHTS).is_file():
            raise InputError(f"{folder} holds no soft RQ-VAE ({_META} and {_WEIGHTS}); run the tokenize stage again")
        meta = json.loads((folder / _META).read_text())
        tokenizer = cls(meta["config"], meta["n_dimensions"])
        tokenizer.load_state_dict(load_file(folder / _WEIGHTS))
        return tokenizer.eval()

    @torch.no_grad()
    def _in_chunks(self, embeddings: Tensor, compute: Callable[[Tensor], Tensor]) -> Tensor:
        rows = checked_embeddings(embeddings, self.n_dimensions)
        device = self.quantizer.temperature.device
        return torch.cat([compute(self.normalise(part.to(device))) for part in rows.split(_CHUNK)])


def _mlp(widths: list[int]) -> nn.Sequential:
    """Linear layers with ReLU between them, none at the end."""
    layers: list[nn.Module] = []
    for width, following in pairwise(widths):
        layer = nn.Linear(width, following)
        nn.init.xavier_normal_(layer.weight)
        nn.init.zeros_(layer.bias)
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])
