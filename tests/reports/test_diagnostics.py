"""What the codes decide and how training went, as far as a run has them."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from tigerlite.config import InputError
from tigerlite.reports import diagnostics
from tigerlite.reports.diagnostics import Flags


def trained(run, *rows: str) -> None:
    folder = run / "finetune-1"
    folder.mkdir()
    (folder / "metrics.csv").write_text("\n".join(["stage,step,name,value", *rows]) + "\n")
    stages = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(stages | {"finetune": "finetune-1"}))


def pictures(run) -> set[str]:
    return {file.name for file in run.glob("*.png")}


def test_the_codes_are_a_table_and_two_pictures(run, capsys):
    diagnostics.report(run, Flags())
    out = capsys.readouterr().out
    # Four first codes of six items each: 1 - 6/24, then 1 - 1/6.
    assert "75.00%" in out
    assert "83.33%" in out
    assert pictures(run) == {"filter_ratio.png", "purity_gain.png"}


def test_training_adds_its_curves_the_weights_of_its_objectives_and_of_its_tokens(run):
    trained(run, "finetune,1,finetune/train/loss,2.0", "finetune,1,finetune/trajectory/alpha/frequency,0.5")
    save_file({"frequency": np.ones((25, 2), dtype=np.float32)}, run / "finetune-1" / "token_weights.safetensors")
    diagnostics.report(run, Flags())
    expected = {"filter_ratio.png", "purity_gain.png", "training.png", "alpha.png", "weight_profile.png"}
    assert pictures(run) == expected


def test_a_tokenizer_that_trains_too_has_a_picture_of_its_own(run):
    trained(run, "finetune,1,finetune/train/tokenizer_gradient,0.5")
    diagnostics.report(run, Flags())
    assert "soft_training.png" in pictures(run)


def test_without_pictures_only_the_table_is_made(run, capsys):
    trained(run, "finetune,1,finetune/train/loss,2.0")
    diagnostics.report(run, Flags(pictures=False))
    assert "What each code decides" in capsys.readouterr().out
    assert not pictures(run)


def test_a_run_without_identifiers_shows_its_training(unidentified_run, capsys):
    trained(unidentified_run, "finetune,1,finetune/train/loss,2.0")
    diagnostics.report(unidentified_run, Flags())
    assert "What each code decides" not in capsys.readouterr().out
    assert pictures(unidentified_run) == {"training.png"}


def test_a_run_with_neither_is_one_line(unidentified_run):
    with pytest.raises(InputError, match="has neither identifiers nor training curves; there is nothing to diagnose"):
        diagnostics.report(unidentified_run, Flags())
