"""UniGRec: what a joint step costs against a plain TIGER step whose history carries the same tokens per item, and against
encoding every position of the histories anew.

All rows take the same batches and decode the same codes. The ratios are paired: each round times all rows.
"""

import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import pad

from speed.synthetic import DataConfig
from speed.timing import Case, measure, prepare, report, write
from speed.train import optimizer_steps
from tigerlite.config import check, to_dict
from tigerlite.data.datamodule import SequenceDataModule
from tigerlite.data.sequences import Batch
from tigerlite.recommenders.soft_batch import SoftBatch
from tigerlite.recommenders.soft_identifiers import code_table
from tigerlite.recommenders.t5 import T5Config
from tigerlite.recommenders.tiger_config import TIGERConfig
from tigerlite.recommenders.unigrec import UniGRec
from tigerlite.recommenders.unigrec_config import UniGRecConfig
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.collisions import rank_digit
from tigerlite.tokenizers.soft_rqvae import SoftRQVAE
from tigerlite.tokenizers.soft_rqvae_config import SoftRQVAEConfig
from tigerlite.tokenizers.vocabulary import SemanticVocab

PLAIN, JOINT, NAIVE = "plain, hard tokens", "joint", "joint, every position encoded"


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sizes of the benchmark."""

    model: T5Config = field(
        default_factory=lambda: T5Config(n_encoder_layers=6, n_decoder_layers=6, n_heads=4, d_ff=512)
    )
    """Network (UniGRec's, arXiv 2601.17438)."""
    tokenizer: SoftRQVAEConfig = field(default_factory=SoftRQVAEConfig)
    """Tokenizer; its codebook_sizes are the levels, whatever `data` says."""
    data: DataConfig = field(default_factory=DataConfig)
    n_dimensions: int = 768
    """Width of the item embeddings."""
    teacher_width: int = 256
    """Width of the teacher's vectors."""
    batch_size: int = 512
    """Training targets per optimizer step."""
    n_batches: int = 2
    """Optimizer steps per timed call."""
    repeats: int = 10
    """Timed calls per row."""
    device: str = "cpu"
    """cpu or cuda."""
    out: Path | None = None
    """JSON file to write."""

    def __post_init__(self) -> None:
        for name in ("n_dimensions", "teacher_width", "batch_size", "n_batches"):
            check(self.__dict__[name] >= 1, name, self.__dict__[name], "an integer >= 1")
        check(self.repeats >= 2, "repeats", self.repeats, "an integer >= 2")


class Naive(UniGRec):
    """Encodes an item as often as it occurs."""

    def _soften(self, sequences: Tensor) -> SoftBatch:
        items = sequences[sequences > 0]
        places = torch.zeros_like(sequences)
        places[sequences > 0] = torch.arange(1, len(items) + 1, device=items.device)
        inputs = self.inputs[items]
        return SoftBatch(items, places, torch.ones_like(items), inputs, self.tokenizer.quantize(inputs))


class Plain(UniGRec):
    """TIGER whose history leaves out the digit."""

    def training_losses(self, batch: Batch) -> Tensor:
        tokens = self.item_tokens[batch.histories][..., : self.tokens_per_item].flatten(1)
        tokens = pad(tokens, (1, 0), value=self.vocab.user)
        mask = tokens != self.vocab.pad
        encoded = self.t5.encode(tokens, mask, self._visible(batch.histories.shape[1]))
        labels = self._labels(batch.targets)
        return self._losses(self.t5.decode(self._decoder_tokens(labels), encoded, mask), batch.targets, labels)


def run(config: Config) -> None:
    """Measure, print, write."""
    prepare(config.device)
    dataset, _ = config.data.load()
    loader = SequenceDataModule(
        dataset, batch_size=config.batch_size, max_history=config.data.max_history, seed=config.data.seed
    ).train_dataloader()
    batches = []
    for batch in loader:
        batches.append(Batch(*(part.to(config.device) for part in batch[:3])))
        if len(batches) == config.n_batches:
            break
    kinds = {PLAIN: Plain, JOINT: UniGRec, NAIVE: Naive}
    cases = [_case(config, dataset.n_items, kind, name, batches) for name, kind in kinds.items()]
    measured = measure(cases, config.repeats, config.device)
    rows = report(cases, measured, unit="targets", device=config.device)
    ratios = {}
    for name in (PLAIN, NAIVE):
        pairs = zip(measured[JOINT].seconds, measured[name].seconds, strict=True)
        ratios[name] = statistics.median(joint / other for joint, other in pairs)
        print(f"time of a step, {JOINT} / {name}: {ratios[name]:.3f} (median of {config.repeats} rounds)")
    write(config.out, "unigrec", config, rows, ratio_to_plain=ratios[PLAIN], ratio_to_naive=ratios[NAIVE])


def _case(config: Config, n_items: int, kind: type[UniGRec], name: str, batches: list[Batch]) -> Case:
    torch.manual_seed(config.data.seed)
    tokenizer = SoftRQVAE(config.tokenizer, config.n_dimensions)
    settings = UniGRecConfig(distillation_start=0, uniformity_weight=1e-4)
    teacher = torch.randn(n_items + 1, config.teacher_width)
    inputs = pad(tokenizer.normalise(torch.randn(n_items, config.n_dimensions)), (0, 0, 1, 0))
    tiger = TIGERConfig(t5=config.model, max_history=config.data.max_history)
    table = code_table(_spread(n_items, config.tokenizer.codebook_sizes), tokenizer, settings.digits)
    model = kind(to_dict(tiger), asdict(settings), table, tokenizer, inputs=inputs, teacher=teacher).to(config.device)

    def loss(step: int) -> Tensor:
        losses = model.training_losses(batches[step]).mean()
        return losses + sum(model.terms.weights[term] * value for term, value in model.other_losses.items())

    losses = [lambda step=step: loss(step) for step in range(len(batches))]
    trained = model.t5 if kind is Plain else model
    amount = sum(len(batch.targets) for batch in batches)
    return Case(name=name, call=optimizer_steps(trained, losses, "fp32", config.device), amount=amount, baseline=PLAIN)


def _spread(n_items: int, sizes: tuple[int, ...]) -> TokenizerBank:
    """Codes as a tokenizer would give them, each path once or as seldom as possible."""
    generator = torch.Generator().manual_seed(0)
    codes = torch.stack([torch.randint(size, (n_items,), generator=generator) for size in sizes], dim=1)
    resolved = rank_digit(codes.numpy(), sizes)
    rows = pad(torch.from_numpy(resolved.codes), (0, 0, 1, 0))
    return TokenizerBank(rows[None], SemanticVocab(resolved.codebook_sizes))
