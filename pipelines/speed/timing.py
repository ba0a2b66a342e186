"""Interleaved timing, the table that is printed, and the JSON that is written."""

import ctypes
import dataclasses
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from tigerlite.config import InputError, to_dict

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """One row of a benchmark."""

    name: str
    """What is printed."""
    call: Callable[[], Any]
    """Does the work once."""
    amount: int
    """Units of work done by one call."""
    baseline: str
    """The row it is compared with."""
    precision: str = "fp32"
    """fp32 or bf16: which peak its matrix products are held against."""
    padding: float | None = None
    """Share of encoder tokens that are padding."""


@dataclasses.dataclass
class Measured:
    """What is known of a case after `measure`."""

    seconds: list[float] = dataclasses.field(default_factory=list)
    flops: int = 0
    """Operations of all matrix products of one call, those on padding included."""
    memory: float | None = None
    """MB that a call needs beyond what is there before it (models, data); None where it cannot be measured."""


def prepare(device: str) -> None:
    """Refuse a device that is not there."""
    if device not in ("cpu", "cuda") or (device == "cuda" and not torch.cuda.is_available()):
        raise InputError(f"device={device!r} is not available; allowed: cpu, or cuda on a machine with a GPU")


def measure(cases: list[Case], repeats: int, device: str) -> dict[str, Measured]:
    """Times every case; each round calls each case once, so that drift of the machine falls on all alike."""
    found = {case.name: Measured() for case in cases}
    for case in cases:
        with FlopCounterMode(display=False) as counter:  # the warm-up: caches, allocator, lazy imports
            case.call()
        found[case.name].flops = counter.get_total_flops()
    for repeat in range(repeats):
        for case in cases:
            if repeat == 0:
                # Memory is watched in a round that is timed too: reading two files of /proc takes microseconds.
                before = _memory(device, reset=True)
            _synchronise(device)
            start = time.perf_counter()
            case.call()
            _synchronise(device)
            found[case.name].seconds.append(time.perf_counter() - start)
            if repeat == 0 and before is not None:
                found[case.name].memory = _memory(device, reset=False) - before
    return found


def report(cases: list[Case], measured: dict[str, Measured], *, unit: str, device: str) -> list[dict[str, Any]]:
    """Print and return one row per case: median rate, range, ratio to its baseline, memory, share of the GEMM peak."""
    peaks = {name: gemm_peak(PRECISIONS[name], device) for name in sorted({case.precision for case in cases})}
    print(", ".join(f"GEMM peak {name} {peak / 1e9:,.0f} GFLOP/s" for name, peak in peaks.items()))
    rates = {case.name: case.amount / statistics.median(measured[case.name].seconds) for case in cases}
    width = max(len(case.name) for case in cases)
    print(f"{'':{width}}  {unit + '/s':>12}  {'(slowest - fastest)':>23}  {'memory':>8}  padding  of peak   ratio")
    rows = []
    for case in cases:
        row = _row(case, measured[case.name], rates, peaks[case.precision])
        rows.append(row)
        span = f"({row['slowest']:,.1f} - {row['fastest']:,.1f})"
        memory = "" if row["memory_mb"] is None else f"{row['memory_mb']:,.0f} MB"
        padding = "" if case.padding is None else f"{case.padding:.1%}"
        print(
            f"{case.name:{width}}  {row['per_second']:12,.1f}  {span:>23}  {memory:>8}  {padding:>7}  "
            f"{row['share_of_gemm_peak']:7.1%}  {row['ratio']:5.2f}x {case.baseline}"
        )
    return rows


def _row(case: Case, measured: Measured, rates: dict[str, float], peak: float) -> dict[str, Any]:
    seconds = measured.seconds
    return {
        "name": case.name,
        "per_second": rates[case.name],
        "slowest": case.amount / max(seconds),
        "fastest": case.amount / min(seconds),
        "ratio": rates[case.name] / rates[case.baseline],
        "baseline": case.baseline,
        "memory_mb": measured.memory,
        "padding": case.padding,
        "share_of_gemm_peak": measured.flops / statistics.median(seconds) / peak,
        "gflop_per_unit": measured.flops / case.amount / 1e9,
        "seconds": seconds,
    }


def gemm_peak(dtype: torch.dtype, device: str) -> float:
    """Operations per second of the best square matrix product."""
    best = 0.0
    for size in (2048, 4096, 8192) if device == "cuda" else (1024, 2048):
        left, right = torch.randn(2, size, size, device=device, dtype=dtype).unbind(0)
        for _ in range(6):
            _synchronise(device)
            start = time.perf_counter()
            torch.mm(left, right)
            _synchronise(device)
            best = max(best, 2 * size**3 / (time.perf_counter() - start))
    return best


def write(out: Path | None, benchmark: str, config: Any, rows: list[dict[str, Any]], **more: Any) -> None:
    """Write rows, settings and the machine as JSON, if `out` is given."""
    if out is None:
        return
    machine = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    document = {"benchmark": benchmark, "config": to_dict(config), "machine": machine, "rows": rows, **more}
    out.write_text(json.dumps(document, indent=2) + "\n")


def _synchronise(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def _memory(device: str, *, reset: bool) -> float | None:
    """MB in use where `reset`, which also restarts the high-water mark; else the mark. None on systems without one."""
    if device == "cuda":
        if reset:
            torch.cuda.reset_peak_memory_stats()
            return torch.cuda.memory_allocated() / 1e6
        return torch.cuda.max_memory_allocated() / 1e6
    if platform.system() != "Linux":
        return None
    if reset:
        # Freed memory that glibc still holds would be reused by the call and not be counted.
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    wanted = "VmRSS:" if reset else "VmHWM:"
    return next(int(line.split()[1]) / 1e3 for line in lines if line.startswith(wanted))


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    amx = " with AMX" if any("amx_bf16" in line for line in lines) else ""
    return (names[0] if names else platform.machine()) + amx
