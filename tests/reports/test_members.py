"""The tables hold the files' numbers; a run of one identifier per item is refused."""

import json
from pathlib import Path

import pytest

from tigerlite.config import InputError
from tigerlite.reports import members
from tigerlite.reports.members import Flags, choice_rows, cost_rows, drift_rows, read_members, update_rows
from tigerlite.run_file import read_run, write_run

DRIFT = [{"gap": 1, "n_pairs": 2, "first": 0.01, "any": 0.25, "levels": [0.01, 0.2]}]
UPDATES = [
    {
        "epoch": 10,
        "scores": [0.5, 0.7],
        "p": [0.4, 0.6],
        "distance_from_uniform": 0.1,
        "noise_p_value": 0.01,
        "stayed_uniform": False,
        "seconds": 20.0,
        "epoch_equivalents": 1.5,
    },
    {
        "epoch": 15,
        "scores": [0.5, 0.5],
        "p": [0.5, 0.5],
        "distance_from_uniform": 0.0,
        "noise_p_value": 0.4,
        "stayed_uniform": True,
        "seconds": 5.0,
        "epoch_equivalents": 1.5,
    },
]
CHOICE = {
    "chosen": 1,
    "by": "validation ndcg@10",
    "members": [
        {"member": 0, "ndcg@10": 0.1, "source": {"epoch": 7}},
        {"member": 1, "ndcg@10": 0.2, "source": {"epoch": 8}},
    ],
}


def curves(folder: Path, stage: str, epochs: int, steps: int) -> None:
    """A `metrics.csv` of as many epochs of `steps` optimizer steps."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [f"{stage},{(epoch + 1) * steps - 1},epoch,{epoch}" for epoch in range(epochs)]
    (folder / "metrics.csv").write_text("\n".join(["stage,step,name,value", *rows]) + "\n")


@pytest.fixture
def run(tmp_path) -> Path:
    folders = {name: tmp_path / f"{name}-1" for name in ("prepare", "tokenize", "pretrain", "finetune")}
    for name, folder in folders.items():
        folder.mkdir()
        seconds = {"prepare": 0.0, "tokenize": 50.0, "pretrain": 100.0, "finetune": 50.0}[name]
        (folder / "provenance.json").write_text(json.dumps({"seconds": seconds}))
    (folders["tokenize"] / "members.json").write_text(json.dumps([{"epoch": 7}, {"epoch": 8}]))
    (folders["tokenize"] / "drift.json").write_text(json.dumps(DRIFT))
    (folders["pretrain"] / "groups.json").write_text(json.dumps(UPDATES))
    (folders["finetune"] / "members.json").write_text(json.dumps(CHOICE))
    curves(folders["pretrain"], "pretrain", epochs=20, steps=30)
    curves(folders["finetune"], "finetune", epochs=3, steps=30)  # the chosen member's, copied
    for member in (0, 1):
        curves(folders["finetune"] / f"member-{member}", "finetune", epochs=2 + member, steps=30)
    write_run(tmp_path, folders)
    return tmp_path


def test_every_table_is_printed_and_every_picture_drawn(run, capsys):
    members.report(run, Flags())
    out = capsys.readouterr().out
    for part in ("Items whose code differs", "How often members are drawn", "Fine-tuned members", "Cost"):
        assert part in out
    assert {file.name for file in run.glob("*.png")} == {"drift.png", "probabilities.png", "scores.png", "members.png"}


def test_rows_say_what_the_files_say(run):
    found = read_members(run)
    assert list(drift_rows(found.drifts)) == [("1", "2", "1.00", "25.00", "1.00 20.00")]
    assert list(update_rows(found.updates)) == [
        ("10", "0.4000 to 0.6000", "0.1000", "0.010", "by score", "20.0", "1.50"),
        ("15", "0.5000 to 0.5000", "0.0000", "0.400", "uniformly", "5.0", "1.50"),
    ]
    assert list(choice_rows(found.choice)) == [
        ("member 0, epoch 7", "0.1000", ""),
        ("member 1, epoch 8", "0.2000", "chosen"),
    ]


def test_costs_are_shares_of_the_whole_and_members_add_up(run):
    rows = list(cost_rows(read_run(run), UPDATES))
    assert rows == [
        ("prepare", "", "", "0.0", "0.0%"),
        ("tokenize", "", "", "50.0", "25.0%"),
        ("pretrain", "20", "600", "100.0", "50.0%"),
        ("- influence: 2 updates, 25.0% of pretrain", "3.00", "", "25.0", "12.5%"),
        ("finetune", "5", "150", "50.0", "25.0%"),
        ("all", "", "", "200.0", ""),
    ]


def test_parts_that_a_run_lacks_are_left_out(run, capsys):
    (run / "tokenize-1" / "drift.json").unlink()
    (run / "pretrain-1" / "groups.json").unlink()
    (run / "finetune-1" / "members.json").unlink()
    members.report(run, Flags())
    assert "Pictures: none" in capsys.readouterr().out


def test_one_identifier_per_item_is_refused(run):
    (run / "tokenize-1" / "members.json").unlink()
    with pytest.raises(InputError, match="has one identifier per item; set tokenize.members=M for several"):
        members.report(run, Flags())
