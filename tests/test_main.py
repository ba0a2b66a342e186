"""The command line: help is typed, and every user's mistake is one line with exit code 2."""

import json
import sys

import pytest

from tigerlite import __main__ as program


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
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(monkeypatch, capsys, tmp_path, argv, message):
    monkeypatch.chdir(tmp_path)
    code, _, err = call(monkeypatch, capsys, *argv)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
    assert not list(tmp_path.rglob("DONE"))


BAD_DATA = {
    "null user": ("user,item,time\n,a,1\n", {}, "user"),
    "bad time": ("user,item,time\nu,a,yesterday\n", {}, "time"),
    "missing column": ("user,thing,time\nu,a,1\n", {}, "item"),
    "nothing left": (
        "user,item,time\nu,a,1\nu,b,2\nu,c,3\n",
        {"--prepare.filtering.min_user_interactions": "9"},
        "min_user",
    ),
}


@pytest.mark.parametrize("case", BAD_DATA)
def test_bad_data_is_refused_and_leaves_nothing_finished(monkeypatch, capsys, tmp_path, case):
    text, flags, word = BAD_DATA[case]
    data = tmp_path / "data"
    data.mkdir()
    (data / "interactions.csv").write_text(text)
    argv = ["prepare", "--prepare.reader=tabular", f"--prepare.folder={data}", f"--out={tmp_path / 'out'}"]
    code, _, err = call(monkeypatch, capsys, *argv, *(f"{flag}={value}" for flag, value in flags.items()))
    assert code == 2
    assert word in err
    assert err.count("\n") == 1
    assert not list(tmp_path.rglob("DONE"))


def test_fewer_items_than_codes_names_the_setting(monkeypatch, capsys, tmp_path, toy_settings):
    toy_settings["tokenize"]["rqvae"]["codebook_sizes"] = [128, 8]
    file = tmp_path / "c.yaml"
    file.write_text(json.dumps(toy_settings))
    code, _, err = call(monkeypatch, capsys, "tokenize", f"--config={file}", f"--out={tmp_path / 'out'}")
    assert code == 2
    assert "codebook_sizes" in err
    assert not list(tmp_path.glob("out/tokenize-*/DONE"))


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
