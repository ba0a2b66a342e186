"""The command line: help is typed, and every user's mistake is one line with exit code 2."""

import json
import sys

import pytest

from tigerlite import __main__ as program
from tigerlite.reports import KINDS


def call(monkeypatch, capsys, *argv: str) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["tigerlite", *argv])
    code = 0
    try:
        program.main()
    except SystemExit as ended:
        code = ended.code or 0
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_help_lists_every_command(monkeypatch, capsys):
    code, out, _ = call(monkeypatch, capsys, "--help")
    assert code == 0
    for command in program.COMMANDS:
        assert f"\n  {command} " in out


@pytest.mark.parametrize("command", ["prepare", "tokenize", "recommend", "report"])
def test_each_command_has_typed_help(monkeypatch, capsys, command):
    code, out, _ = call(monkeypatch, capsys, command, "--help")
    assert code == 0
    assert "usage: tigerlite" in out
    if command != "report":
        assert "(type: int, default: " in out


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_report_has_help_that_says_what_it_prints(monkeypatch, capsys, kind):
    code, out, _ = call(monkeypatch, capsys, "report", kind, "--help")
    assert code == 0
    assert f"usage: tigerlite report {kind} RUN" in out
    assert KINDS[kind][0] in " ".join(out.split())


def test_the_help_of_report_lists_its_kinds(monkeypatch, capsys):
    code, out, _ = call(monkeypatch, capsys, "report", "--help")
    assert code == 0
    assert all(kind in out for kind in KINDS)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["tokenise"], "unknown command 'tokenise'; did you mean 'tokenize'?"),
        (
            ["tokenize", "--tokenize.rqvae.betta=1"],
            "unknown key 'tokenize.rqvae.betta'; did you mean 'tokenize.rqvae.beta'?",
        ),
        (
            ["finetune", "--finetune.tiger.epochs=0"],
            "finetune.tiger.epochs=0 is out of range; allowed: an integer >= 1",
        ),
        (["finetune", "--trainer.max_epochs=-1"], "trainer.max_epochs=-1 is out of range"),
        (["prepare", "--prepare.reader=tabular"], "prepare.folder is not set"),
        (
            ["prepare", "--prepare.reader=tabular", "--prepare.folder=/nowhere"],
            "prepare.folder=/nowhere is not a folder",
        ),
        (["recommend"], "needs the folder of a finished run first"),
        (["recommend", "/nowhere", "--history=a"], "run.json does not exist"),
        (["recommend", "/nowhere"], "--history is empty"),
        (["report", "/nowhere"], "run.json does not exist"),
        (["report", "results"], "tigerlite report results needs the folder of a finished run first"),
        (["report", "resluts", "/nowhere"], "KIND of tigerlite report KIND RUN='resluts' is unknown"),
        (["report", "results", "/nowhere"], "run.json does not exist"),
        (["report", "example", "/nowhere", "--k=0"], "k=0 is out of range; allowed: an integer in 1..20"),
        (["report", "diagnostics", "/nowhere", "--picture=false"], "unknown key 'picture'; did you mean 'pictures'?"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(monkeypatch, capsys, tmp_path, argv, message):
    monkeypatch.chdir(tmp_path)
    code, _, err = call(monkeypatch, capsys, *argv)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
    assert not list(tmp_path.rglob("DONE"))


def test_an_unwritable_output_folder_is_one_line(monkeypatch, capsys, tmp_path, toy_settings):
    (tmp_path / "blocked").write_text("a file, not a folder")
    file = tmp_path / "c.yaml"
    file.write_text(json.dumps(toy_settings))
    code, _, err = call(monkeypatch, capsys, "prepare", f"--config={file}", f"--out={tmp_path / 'blocked'}")
    assert code == 2
    assert "choose another folder with --out" in err
    assert err.count("\n") == 1


def test_ctrl_c_says_how_to_continue(monkeypatch, capsys, tmp_path, toy_settings):
    from tigerlite.stages import prepare

    def interrupted(*given, **named):
        raise KeyboardInterrupt

    monkeypatch.setattr(prepare, "run", interrupted)
    file = tmp_path / "c.yaml"
    file.write_text(json.dumps(toy_settings))
    code, _, err = call(monkeypatch, capsys, "prepare", f"--config={file}", f"--out={tmp_path / 'out'}")
    assert code == 130
    assert err == "interrupted; run the same command again to continue\n"
