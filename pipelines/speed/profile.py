"""Where the time of a training step goes: share of matrix products, attention, dropout, elementwise work, copies, optimizer.

Times are those of the operators themselves (torch.profiler), on the device that runs them; between them lies what the
profiler cannot see (Python, and on a GPU the launches).
"""

import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from speed.synthetic import DataConfig
from speed.timing import prepare, write
from speed.train import Config as TrainConfig
from speed.train import training_steps
from tigerlite.config import check, check_choice
from tigerlite.recommenders.t5 import T5Config

KINDS = (
    ("attention", r"attention"),
    ("matrix products", r"^(mm|addmm|bmm|baddbmm|linear|matmul|.*gemm.*|.*cutlass.*|_?mkldnn_linear.*)$"),
    ("optimizer and clipping", r"adam|foreach|vector_norm"),
    ("dropout masks", r"^(random_|ge|bernoulli_?|.*dropout.*)$"),
    ("softmax and normalisation", r"softmax|norm|logsumexp|nll_loss"),
    ("copies and layout", r"^(copy_|cat|stack|clone|contiguous|_to_copy|fill_|zero_|Mem.*)$"),
    ("gathers", r"index|gather|embedding|scatter"),
    (
        "elementwise",
        r"^_?(add|sub|mul|div|neg|exp|log|where|relu|threshold|masked|sum|mean|pow|rsqrt|addc|clamp|eq|gt|lt|le)",
    ),
)
"""What an operator is, by a pattern in its name; the first that fits."""
REST = "autograd, views, everything else"


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sizes of the benchmark."""

    model: T5Config = field(default_factory=lambda: T5Config(n_heads=4, d_ff=512))
    """Network (MTGRec's, arXiv 2504.04400)."""
    data: DataConfig = field(default_factory=DataConfig)
    batch_size: int = 256
    """Training targets per optimizer step."""
    n_batches: int = 4
    """Optimizer steps that are watched."""
    attention: str = "bidirectional"
    """bidirectional or causal."""
    precision: str = "fp32"
    """fp32 or bf16."""
    device: str = "cpu"
    """cpu or cuda."""
    out: Path | None = None
    """JSON file to write."""

    def __post_init__(self) -> None:
        for name in ("batch_size", "n_batches"):
            value = self.__dict__[name]
            check(value >= 1, name, value, "an integer >= 1")
        check_choice("attention", self.attention, ("bidirectional", "causal"))
        check_choice("precision", self.precision, ("fp32", "bf16"))


def run(config: Config) -> None:
    """Measure, print, write."""
    prepare(config.device)
    same = {name: config.__dict__[name] for name in ("model", "data", "batch_size", "n_batches", "device")}
    steps = training_steps(TrainConfig(**same), config.attention, config.precision)
    steps()  # warm-up
    activities = [torch.profiler.ProfilerActivity.CPU]
    if config.device == "cuda":
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    start = time.perf_counter()
    with torch.profiler.profile(activities=activities) as profiler:
        steps()
        if config.device == "cuda":
            torch.cuda.synchronize()
    wall = time.perf_counter() - start
    seconds = _seconds_by_kind(profiler, config.device)
    total = sum(seconds.values())
    rows = [
        {"name": kind, "seconds": spent, "share": spent / total}
        for kind, spent in sorted(seconds.items(), key=lambda entry: -entry[1])
    ]
    print(f"{config.n_batches} steps of {config.batch_size}, {config.precision}, {config.attention}, {config.device}")
    width = max(len(row["name"]) for row in rows)
    for row in rows:
        print(f"{row['name']:{width}}  {row['seconds'] * 1e3:9.1f} ms  {row['share']:6.1%}")
    print(f"operators {total * 1e3:.1f} ms of {wall * 1e3:.1f} ms (the profiler itself included)")
    write(config.out, "profile", config, rows, wall_seconds=wall)


def _seconds_by_kind(profiler: Any, device: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for event in profiler.key_averages():
        micros = event.self_device_time_total if device == "cuda" else event.self_cpu_time_total
        if micros:
            kind = _kind(event.key)
            found[kind] = found.get(kind, 0.0) + micros / 1e6
    return found


def _kind(name: str) -> str:
    plain = name.removeprefix("aten::")
    return next((kind for kind, pattern in KINDS if re.search(pattern, plain)), REST)
