"""How evenly two runs use their codes: which identifiers are counted, and what is printed and drawn."""

import json
from pathlib import Path

import pytest
import torch

from tigerlite.config import InputError
from tigerlite.reports.usage import Flags, report, usage
from tigerlite.tokenizers.bank import TokenizerBank
from tigerlite.tokenizers.vocabulary import SemanticVocab


def with_model(run: Path, codes: torch.Tensor, sizes: tuple[int, ...]) -> None:
    """Give the run a trained model that writes `codes` (N, L), whose last level is a digit."""
    padded = torch.cat([torch.zeros(1, codes.shape[1], dtype=torch.int64), codes])
    TokenizerBank(padded[None], SemanticVocab(sizes)).save(run / "finetune-1" / "bank")
    stages = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(stages | {"finetune": "finetune-1"}))
    levels = [{"size": size, "used": size, "dead": 0, "perplexity": 1.0} for size in sizes[:-1]]
    (run / "tokenize-1" / "codebook_health.json").write_text(json.dumps({"levels": levels}))


def test_the_bits_of_two_runs_stand_beside_each_other(run, other_run, capsys):
    # 24 items on 4 x 6 codes use both levels evenly; the other model writes half of the first codes and one second code.
    items = torch.arange(24)
    with_model(other_run, torch.stack([items % 2, items * 0, items // 2], dim=1), (4, 2, 12))
    report(run, Flags(beside=other_run))
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["run", "2.00", "of", "2.00", "2.58", "of", "2.58"] in rows
    assert ["other", "1.00", "of", "2.00", "0.00", "of", "1.00"] in rows
    assert (run / "usage_entropy.png").read_bytes().startswith(b"\x89PNG")


def test_the_identifiers_that_the_model_writes_are_counted_without_the_digit(run):
    assert [level.perplexity for level in usage(run)] == pytest.approx([4.0, 6.0])
    items = torch.arange(24)
    with_model(run, torch.stack([items % 2, items // 2], dim=1), (8, 12))
    (level,) = usage(run)
    assert (level.size, level.used, level.perplexity) == (8, 2, pytest.approx(2.0))


def test_runs_of_one_name_are_told_apart_by_their_folders(run, tmp_path, capsys):
    other = tmp_path / "elsewhere" / "run"
    other.parent.mkdir()
    other.symlink_to(run)
    with pytest.raises(InputError, match="is the run itself; give another one"):
        report(run, Flags(beside=other))


def test_a_named_run_file_is_the_one_that_is_read(run, capsys):
    before = run / "before.json"
    before.write_text((run / "run.json").read_text())
    items = torch.arange(24)
    with_model(run, torch.stack([items % 2, items // 2], dim=1), (8, 12))
    report(before, Flags(beside=run, pictures=False))
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert any(row and row[0] == "before" and row[1:4] == ["2.00", "of", "2.00"] for row in rows)
    with pytest.raises(InputError, match="is the run itself; give another one"):
        report(run, Flags(beside=run / "run.json"))


def test_a_run_without_identifiers_is_one_line(run, unidentified_run):
    with pytest.raises(InputError, match="has no stage tokenize"):
        report(run, Flags(beside=unidentified_run))
