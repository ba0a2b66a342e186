"""The blocks of a T5 (arXiv 1910.10683): ReLU feed-forward without gates, attention, RMS normalisation before each."""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from tigerlite.config import check
from tigerlite.recommenders.attention import CrossAttention, SelfAttention
from tigerlite.recommenders.dropout import Dropout
from tigerlite.recommenders.rms_norm import RMSNorm


@dataclass(frozen=True, kw_only=True)
class T5Config:
    """Size of the network; the defaults are TIGER's (arXiv 2305.05065, section 4)."""

    n_encoder_layers: int = 4
    """Encoder blocks."""
    n_decoder_layers: int = 4
    """Decoder blocks."""
    d_model: int = 128
    """Width D of embeddings and hidden states."""
    n_heads: int = 6
    """Attention heads H."""
    d_kv: int = 64
    """Width of one head; n_heads * d_kv need not be d_model."""
    d_ff: int = 1024
    """Width between the two feed-forward layers."""
    dropout: float = 0.1
    """Share of activations and attention weights zeroed in training; a multiple of 1/256 on a CPU."""
    relative_buckets: int = 32
    """Rows of the relative bias table (T5's default)."""
    relative_max_distance: int = 128
    """Distance in tokens beyond which positions are not told apart (T5's default)."""

    def __post_init__(self) -> None:
        for name in ("n_encoder_layers", "n_decoder_layers", "d_model", "n_heads", "d_kv", "d_ff"):
            value = self.__dict__[name]
            check(value >= 1, name, value, "an integer >= 1")
        check(0 <= self.dropout < 1, "dropout", self.dropout, "0 <= dropout < 1")
        buckets, distance = self.relative_buckets, self.relative_max_distance
        check(buckets >= 4 and buckets % 2 == 0, "relative_buckets", buckets, "an even number >= 4")
        check(
            distance > buckets // 2,
            "relative_max_distance",
            distance,
            f"more than relative_buckets / 2 = {buckets // 2}",
        )


class FeedForward(nn.Module):
    """Two linear layers around a ReLU."""

    def __init__(self, config: T5Config) -> None:
        super().__init__()
        self.inner = nn.Linear(config.d_model, config.d_ff, bias=False)
        self.output = nn.Linear(config.d_ff, config.d_model, bias=False)
        self.dropout = Dropout(config.dropout)
        nn.init.normal_(self.inner.weight, std=config.d_model**-0.5)
        nn.init.normal_(self.output.weight, std=config.d_ff**-0.5)

    def forward(self, hidden: Tensor) -> Tensor:
        """New hidden states, of the shape of `hidden`."""
        return self.output(self.dropout(F.relu_(self.inner(hidden))))


class EncoderBlock(nn.Module):
    """Self-attention and feed-forward, each normalised before and added after."""

    def __init__(self, config: T5Config) -> None:
        super().__init__()
        self.attention_norm = rms_norm(config)
        self.attention = SelfAttention(config.d_model, config.n_heads, config.d_kv, config.dropout)
        self.feed_forward_norm = rms_norm(config)
        self.feed_forward = FeedForward(config)
        self.dropout = Dropout(config.dropout)

    def forward(self, hidden: Tensor, bias: Tensor) -> Tensor:
        """New hidden states (B, S, D); `bias` broadcasts to (B, H, S, S)."""
        hidden = self.dropout.add(hidden, self.attention(self.attention_norm(hidden), bias))
        return self.dropout.add(hidden, self.feed_forward(self.feed_forward_norm(hidden)))


class DecoderBlock(nn.Module):
    """Self-attention, cross-attention and feed-forward, each normalised before and added after."""

    def __init__(self, config: T5Config) -> None:
        super().__init__()
        self.attention_norm = rms_norm(config)
        self.attention = SelfAttention(config.d_model, config.n_heads, config.d_kv, config.dropout)
        self.cross_norm = rms_norm(config)
        self.cross_attention = CrossAttention(config.d_model, config.n_heads, config.d_kv, config.dropout)
        self.feed_forward_norm = rms_norm(config)
        self.feed_forward = FeedForward(config)
        self.dropout = Dropout(config.dropout)

    def forward(self, hidden: Tensor, bias: Tensor, memory: tuple[Tensor, Tensor], memory_bias: Tensor) -> Tensor:
        """New hidden states (B, L, D); `bias` (1, H, L, L) is causal, `memory_bias` is (B, 1, 1, S)."""
        return self.read_memory(self.attend(hidden, bias), memory, memory_bias)

    def attend(self, hidden: Tensor, bias: Tensor) -> Tensor:
        """Hidden states (B, L, D) after self-attention."""
        return self.dropout.add(hidden, self.attention(self.attention_norm(hidden), bias))

    def step(self, hidden: Tensor, cache: Tensor | None, rows: Tensor | None, bias: Tensor) -> tuple[Tensor, Tensor]:
        """Hidden states (B, W, D) after self-attention of one more token per beam, and the cache with it."""
        attended, cache = self.attention.step(self.attention_norm(hidden).flatten(0, 1), cache, rows, bias)
        return self.dropout.add(hidden, attended.view(*hidden.shape[:2], -1)), cache

    def read_memory(self, hidden: Tensor, memory: tuple[Tensor, Tensor], memory_bias: Tensor) -> Tensor:
        """The rest of the block after self-attention: cross-attention and feed-forward, (B, L or W, D)."""
        hidden = self.dropout.add(hidden, self.cross_attention(self.cross_norm(hidden), memory, memory_bias))
        return self.dropout.add(hidden, self.feed_forward(self.feed_forward_norm(hidden)))


def rms_norm(config: T5Config) -> RMSNorm:
    """T5's normalisation: scale only, epsilon 1e-6."""
    return RMSNorm(config.d_model, eps=1e-6)
