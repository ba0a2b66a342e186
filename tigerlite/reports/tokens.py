"""`tigerlite report tokens RUN`: measures the identifiers of a run and writes what it found beside them.

RUN is a pipeline's output folder, or the folder of its tokenize stage together with `--data`. `identifiers.json` (all numbers),
`identifiers.md` (the printed table) and, with matplotlib, `identifiers.png` go into the run's folder; for a stage folder, which
stays as its checksums say, into `reports/<its name>` beside it.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tigerlite.artifacts import write_json
from tigerlite.config import InputError, check
from tigerlite.data.dataset import RecDataset
from tigerlite.data.sequences import training_items
from tigerlite.encoders.embeddings import MATRIX_FILE, ItemEmbeddings
from tigerlite.evaluation.identifiers import IdentifierReport, figures, identifier_report, verdict
from tigerlite.reports.tokens_table import print_tokens, save_figure, to_markdown
from tigerlite.run_file import RUN, read_run
from tigerlite.stages.codebook_health import HEALTH
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.rqvae import RQVAE
from tigerlite.tokenizers.saved import load_tokenizer

JSON, MARKDOWN, FIGURE = "identifiers.json", "identifiers.md", "identifiers.png"
_BANK, _TOKENIZER = "bank.json", "tokenizer.json"


@dataclass(frozen=True, kw_only=True)
class Flags:
    """Flags of `tigerlite report tokens RUN`."""

    data: Path | None = None
    """The prepare-... folder; needed only where RUN is a tokenize-... folder."""
    embeddings: Path | None = None
    """The encode-... (or fuse-...) folder that the identifiers were made of; with a RUN it is found, without one the figures
    about embeddings are left out."""
    seed: int = 0
    """Of what is drawn: anchor items, permutations, held-out users."""

    def __post_init__(self) -> None:
        check(self.seed >= 0, "seed", self.seed, "an integer >= 0")


@dataclass(frozen=True)
class Folders:
    """What a report is made of."""

    bank: Path
    data: Path
    embeddings: Path | None
    out: Path
    """Where it is written."""


def report(run: Path, flags: Flags) -> None:
    """Measure, print and write; see the module.

    Raises:
        InputError: if `run` holds no identifiers, or something that they need is missing.
    """
    folders = find(run, flags)
    found = measure(folders, seed=flags.seed)
    save(found, folders.out)
    print_tokens(found, f"Written to {folders.out}: {JSON}, {MARKDOWN}")


def find(run: Path, flags: Flags | None = None) -> Folders:
    """The folders of a run, or of a tokenize stage with the data that its flags name.

    Raises:
        InputError: if there are no identifiers or no data.
    """
    flags = flags or Flags()
    if (run / _BANK).is_file():
        if flags.data is None:
            raise InputError(
                f"{run} is a folder of identifiers; give the prepared data as well: --data=FOLDER/prepare-..."
            )
        return Folders(run, flags.data, flags.embeddings, run.resolve().parent / "reports" / run.resolve().name)
    if not (run if run.suffix == ".json" else run / RUN).is_file():
        raise InputError(
            f"{run} holds neither {RUN} nor {_BANK}; give a pipeline's --out folder or a tokenize-... folder"
        )
    stages = read_run(run)
    if "tokenize" not in stages:
        raise InputError(
            f"{run} has no identifiers: its last call made {', '.join(stages)}; run tigerlite tokenize first"
        )
    made = stages.get("fuse", stages.get("encode"))
    out = run.parent if run.suffix == ".json" else run
    return Folders(stages["tokenize"], flags.data or stages["prepare"], flags.embeddings or made, out)


def measure(folders: Folders, *, seed: int = 0) -> IdentifierReport:
    """Measure the identifiers (member 0) of a tokenize stage against its data and embeddings.

    Raises:
        InputError: if a folder does not hold what it should, or they are of different catalogues.
    """
    bank, dataset = TokenizerBank.load(folders.bank), RecDataset.load(folders.data)
    if bank.n_items != dataset.n_items:
        raise InputError(
            f"{folders.bank} has {bank.n_items} items but {folders.data} {dataset.n_items}; they do not belong together"
        )
    matrix = None
    if folders.embeddings is not None:
        if not (folders.embeddings / MATRIX_FILE).is_file():
            raise InputError(f"{folders.embeddings} holds no {MATRIX_FILE}; give an encode-... or fuse-... folder")
        matrix = ItemEmbeddings.load(folders.embeddings, bank.n_items).matrix
    health = _health(folders.bank)
    return identifier_report(
        bank.primary[1:].cpu().numpy(),
        bank.vocab.codebook_sizes,
        n_semantic=len(health["levels"]),
        collisions_before=health["collision_rate"],
        items=training_items(dataset),
        offsets=np.concatenate([[0], np.cumsum(dataset.train_ends - dataset.offsets[:-1])]),
        embeddings=matrix,
        decoder_error=None if matrix is None else _decoder_error(folders.bank, matrix),
        seed=seed,
    )


def save(found: IdentifierReport, out: Path) -> None:
    """Write the numbers, the table and, where matplotlib is installed, the picture."""
    out.mkdir(parents=True, exist_ok=True)
    plain = {"verdict": verdict(found), "figures": figures(found), "report": _plain(asdict(found))}
    write_json(out / JSON, plain)
    (out / MARKDOWN).write_text(to_markdown(found), encoding="utf-8")
    save_figure(found, out / FIGURE)


def _health(folder: Path) -> dict[str, Any]:
    file = folder / HEALTH
    if not file.is_file():
        raise InputError(f"{file} does not exist; give a tokenize-... folder that the tokenize stage wrote")
    return json.loads(file.read_text())


def _decoder_error(folder: Path, matrix: np.ndarray) -> float | None:
    """Share of its input's variance that an RQ-VAE's decoder misses; None for tokenizers without a decoder."""
    if not (folder / _TOKENIZER).is_file():
        return None  # published identifiers
    tokenizer = load_tokenizer(folder)
    if not isinstance(tokenizer, RQVAE):
        return None
    with torch.inference_mode():
        inputs = tokenizer.normalise(torch.from_numpy(matrix))
        error = sum(float((tokenizer(part)[0] - part).square().sum()) for part in inputs.split(4096))
        return error / max(float((inputs - inputs.mean(dim=0)).square().sum()), 1e-12)


def _plain(value: Any) -> Any:
    """Arrays as lists, NaN as null: what json can hold."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if isinstance(value, np.ndarray):
        return [None if np.isnan(part) else part for part in value.tolist()]
    return value
