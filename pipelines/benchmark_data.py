"""The data sets of the tables, from clones of the repositories that publish them: the same bytes, or an error.

    git clone https://github.com/aHuiWang/CIKM2020-S3Rec && git clone https://github.com/HonghuiBao2000/LETTER
    git clone https://github.com/AkaliKong/MiniOneRec
    python pipelines/benchmark_data.py --s3rec=CIKM2020-S3Rec --letter=LETTER --minionerec=MiniOneRec --out=FOLDER

Yelp and Instruments are published files under other names (`inter.json` written anew by python, SASRec's embeddings as .npy).
Office is put together from the validation and test rows of MiniOneRec (arXiv 2510.24431): a user's interactions are the latest
row, a history of at most 10 items and the item after it.
"""

import ast
import csv
import hashlib
import io
import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from tigerlite.command_line import run
from tigerlite.config import InputError, check

S3REC, LETTER, MINIONEREC = "49a890dcb516", "8d0154e28de3", "81b4ba9811cf"
"""Commits of the repositories."""
DIGESTS = {
    "yelp/sequences.txt": "724b219106b81dd2",
    "yelp/items.json": "8f58a9d54111fc10",
    "yelp/index.json": "7468278b33ae2174",
    "instruments/inter.json": "dbdd25f0e80aeedc",
    "instruments/index.json": "33c87e28c52ae367",
    "instruments/sasrec-32d.npy": "a979c4e9bbee9df6",
    "office/interactions.csv": "832c9329928c33f7",
    "office/items.jsonl": "e86adf4968dbdacc",
}
"""First 16 hex digits of the sha256 of every file that the tables were made of."""
OFFICE = "Office_Products_5_2016-10-2018-11.csv"


@dataclass(frozen=True, kw_only=True)
class BenchmarkData:
    """Clones of the repositories; a data set whose clones are not given is left out."""

    s3rec: Path | None = None
    """aHuiWang/CIKM2020-S3Rec: sequences of Yelp."""
    letter: Path | None = None
    """HonghuiBao2000/LETTER: texts and identifiers of Yelp; Instruments."""
    minionerec: Path | None = None
    """AkaliKong/MiniOneRec: office."""
    out: Path = Path("data")
    """Folder that gets yelp/, instruments/ and office/."""

    def __post_init__(self) -> None:
        given = self.letter is not None or self.minionerec is not None
        check(given, "letter", None, "a clone of LETTER (Instruments, and with --s3rec Yelp), or one for --minionerec")
        check(self.s3rec is None or self.letter is not None, "letter", None, "a clone of LETTER with --s3rec, for Yelp")


def main(config: BenchmarkData) -> None:
    """Make the files of every data set whose clones are given; all are checked before any is written."""
    made: dict[str, bytes] = {}
    try:
        if config.s3rec is not None:
            made |= yelp(config.s3rec, config.letter)
        if config.letter is not None:
            made |= instruments(config.letter)
        if config.minionerec is not None:
            made |= office(config.minionerec)
    except InputError:
        raise
    except (ValueError, KeyError, SyntaxError, RuntimeError, pickle.UnpicklingError) as error:
        raise InputError(f"a file of the clones is not what is published there ({error!r}); clone again") from None
    for name, content in made.items():
        digest = hashlib.sha256(content).hexdigest()[:16]
        if digest != DIGESTS[name]:
            raise InputError(
                f"{name} has the sha256 {digest}..., the tables' has {DIGESTS[name]}...; check out the commits {S3REC} "
                f"(S3-Rec), {LETTER} (LETTER) and {MINIONEREC} (MiniOneRec)"
            )
    for name, content in made.items():
        file = config.out / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        print(f"{file}: {len(content):,} bytes")


def yelp(s3rec: Path, letter: Path) -> dict[str, bytes]:
    """S3-Rec's sequences, LETTER's texts and identifiers."""
    return {
        "yelp/sequences.txt": _read(s3rec / "data" / "Yelp.txt"),
        "yelp/items.json": _read(letter / "data" / "Yelp" / "Yelp.item.json"),
        "yelp/index.json": _read(letter / "data" / "Yelp" / "Yelp.index.json"),
    }


def instruments(letter: Path) -> dict[str, bytes]:
    """LETTER's sequences, identifiers and SASRec embeddings."""
    folder = letter / "data" / "Instruments"
    weights = io.BytesIO(_read(letter / "RQ-VAE" / "ckpt" / "Instruments-32d-sasrec.pt"))
    matrix = io.BytesIO()
    np.save(matrix, torch.load(weights, weights_only=True, map_location="cpu").detach().numpy(), allow_pickle=False)
    return {
        "instruments/inter.json": json.dumps(json.loads(_read(folder / "Instruments.inter.json"))).encode(),
        "instruments/index.json": _read(folder / "Instruments.index.json"),
        "instruments/sasrec-32d.npy": matrix.getvalue(),
    }


def office(minionerec: Path) -> dict[str, bytes]:
    """Every user's latest row of MiniOneRec's validation and test rows, and the items in them."""
    folder = minionerec / "data" / "Amazon"
    sequences: dict[str, list[int]] = {}
    for split in ("valid", "test"):
        for row in csv.DictReader(io.StringIO(_read(folder / split / OFFICE).decode(), newline="")):
            sequences[row["user_id"]] = [*ast.literal_eval(row["history_item_id"]), int(row["item_id"])]
    lines = [f"{user},{_name(item)},{place}\n" for user, items in sequences.items() for place, item in enumerate(items)]
    described: Mapping[str, Mapping[str, str]] = json.loads(_read(folder / "index" / "Office_Products.item.json"))
    known = sorted({item for items in sequences.values() for item in items})
    texts = [json.dumps({"item": _name(item), **described[str(item)]}) + "\n" for item in known]
    return {
        "office/interactions.csv": "".join(["user,item,position\n", *lines]).encode(),
        "office/items.jsonl": "".join(texts).encode(),
    }


def _name(item: int) -> str:
    return f"P{item:05d}"


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}); give the folder of the clone") from None


if __name__ == "__main__":
    run(main, BenchmarkData, program="pipelines/benchmark_data.py", description=__doc__ or "")
