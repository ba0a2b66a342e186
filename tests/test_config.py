"""Layered files and flags become frozen dataclasses; a mistake is one line."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tigerlite.command_line import guard, parse, run
from tigerlite.config import ConfigError, InputError, check, check_choice, fingerprint, from_dict, to_dict, unknown_key
from tigerlite.yaml_file import read_yaml


@dataclass(frozen=True, kw_only=True)
class Quantizer:
    beta: float = 0.25
    """Commitment weight."""
    sizes: tuple[int, ...] = (256, 256)
    """Codes per level."""
    kind: str = "ema"
    """ema or gradient."""

    def __post_init__(self) -> None:
        check(self.beta > 0, "beta", self.beta, "a number > 0")
        check_choice("kind", self.kind, ("ema", "gradient"))


@dataclass(frozen=True, kw_only=True)
class Tokenize:
    rqvae: Quantizer = field(default_factory=Quantizer)


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    out: Path = Path("runs")
    """Output folder."""
    limit: int | None = None
    """Upper bound."""
    tokenize: Tokenize = field(default_factory=Tokenize)


def parse_flags(*argv: str) -> Pipeline:
    return parse(Pipeline, argv, program="prog")


def test_flags_reach_nested_sections_with_their_types():
    config = parse_flags("--tokenize.rqvae.beta=1e-4", "--tokenize.rqvae.sizes=[64, 32]", "--out=a/b", "--limit=3")
    assert config == Pipeline(out=Path("a/b"), limit=3, tokenize=Tokenize(rqvae=Quantizer(beta=1e-4, sizes=(64, 32))))


def test_a_later_file_wins_and_a_flag_wins_over_both(tmp_path):
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text("out: one\nlimit: 1\ntokenize:\n  rqvae:\n    beta: 1e-3\n    kind: gradient\n")
    second.write_text("limit: 2\ntokenize: {rqvae: {beta: 0.5}}\n")
    config = parse_flags(f"--config={first}", f"--config={second}", "--out=three")
    assert config.limit == 2
    assert config.out == Path("three")
    assert config.tokenize.rqvae == Quantizer(beta=0.5, kind="gradient")


def test_yaml_number_in_exponent_form_is_a_float(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("tokenize: {rqvae: {beta: 1e-4}}\n")
    assert parse_flags(f"--config={file}").tokenize.rqvae.beta == 1e-4


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--tokenize.rqvae.betta=1"], r"unknown key 'tokenize\.rqvae\.betta'; did you mean 'tokenize\.rqvae\.beta'\?"),
        (["--tokenize.rqvae.beta=-1"], r"tokenize\.rqvae\.beta=-1\.0 is out of range; allowed: a number > 0"),
        (["--tokenize.rqvae.beta=x"], r"tokenize\.rqvae\.beta.*float.*x"),
        (["--tokenize.rqvae.kind=emma"], r"tokenize\.rqvae\.kind='emma' is unknown; .*did you mean 'ema'\?"),
        (["--config=nowhere.yaml"], r"config file nowhere\.yaml does not exist"),
        (["stray"], r"stray"),
    ],
)
def test_a_wrong_flag_is_one_line_that_says_what_is_allowed(argv, message):
    with pytest.raises(ConfigError, match=message) as error:
        parse_flags(*argv)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tokenize: {rqvae: {betta: 1}}", r"unknown key 'tokenize\.rqvae\.betta'; did you mean .* \(in .*c\.yaml\)"),
        ("tokenize: [1", r"c\.yaml is not YAML"),
        ("- 1", r"must hold keys and values"),
    ],
)
def test_a_wrong_file_is_named(tmp_path, text, message):
    file = tmp_path / "c.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        parse_flags(f"--config={file}")


def test_a_file_that_is_not_text_and_a_folder_are_named(tmp_path):
    (tmp_path / "latin.yaml").write_bytes(b"out: caf\xe9\n")
    with pytest.raises(ConfigError, match=r"latin\.yaml"):
        parse_flags(f"--config={tmp_path / 'latin.yaml'}")
    with pytest.raises(ConfigError, match="config file"):
        parse_flags(f"--config={tmp_path}")


@pytest.mark.parametrize("value", [None, [1], 3])
def test_a_section_that_is_no_mapping_is_refused(value):
    with pytest.raises(ConfigError, match="tokenize"):
        from_dict(Pipeline, {"tokenize": value})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"limit": "3"}, "limit='3' is of the wrong type; allowed: an integer"),
        ({"limit": 2.5}, "limit=2.5 is of the wrong type; allowed: an integer"),
        ({"limit": True}, "limit=True is of the wrong type; allowed: an integer"),
        ({"out": 3}, "out=3 is of the wrong type; allowed: a path"),
        (
            {"tokenize": {"rqvae": {"beta": "0.5"}}},
            r"tokenize\.rqvae\.beta='0.5' is of the wrong type; allowed: a number",
        ),
        (
            {"tokenize": {"rqvae": {"sizes": [2, "3"]}}},
            r"tokenize\.rqvae\.sizes=.* of the wrong type; allowed: an integer",
        ),
        ({"tokenize": {"rqvae": {"sizes": 3}}}, r"tokenize\.rqvae\.sizes=3 .*allowed: a list, each entry an integer"),
    ],
)
def test_from_dict_refuses_a_value_of_another_type(values, message):
    with pytest.raises(ConfigError, match=message):
        from_dict(Pipeline, values)


def test_from_dict_takes_dotted_keys_and_whole_numbers_as_fractions():
    found = from_dict(Pipeline, {"tokenize.rqvae.beta": 2, "tokenize": {"rqvae": {"kind": "gradient"}}, "limit": 1})
    assert found == Pipeline(limit=1, tokenize=Tokenize(rqvae=Quantizer(beta=2.0, kind="gradient")))
    assert isinstance(found.tokenize.rqvae.beta, float)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("limit: 1\nout: a\nlimit: 2\n", "gives 'limit' twice in one section, again in line 3; keep one"),
        ("tokenize:\n  rqvae: {beta: 1.0,\n    beta: 2.0}\n", "gives 'beta' twice in one section, again in line 3"),
        (
            "limit: 1\ntokenize:\n",
            r"tokenize=None is no section; give keys and values, or leave it out \(in .*a.yaml\)",
        ),
    ],
)
def test_a_file_that_says_something_twice_or_nothing_is_refused(tmp_path, text, message):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        parse_flags(f"--config={tmp_path / 'a.yaml'}")


def test_what_a_merge_brings_may_be_given_again(tmp_path):
    (tmp_path / "a.yaml").write_text("a: &one {x: 1, y: 2}\nb:\n  <<: *one\n  y: 3\n")
    assert read_yaml(tmp_path / "a.yaml", "file")["b"] == {"x": 1, "y": 3}


def test_from_dict_undoes_to_dict():
    config = Pipeline(out=Path("x"), limit=4, tokenize=Tokenize(rqvae=Quantizer(sizes=(1, 2, 3))))
    assert from_dict(Pipeline, to_dict(config)) == config


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (["pictures"], "unknown key 'out'; known: pictures"),
        ([f"key{number}" for number in range(13)], f"known: {', '.join(f'key{number}' for number in range(12))}, ..."),
    ],
)
def test_an_unknown_key_that_is_near_none_lists_the_first_known_ones(known, said):
    assert unknown_key("out", known).endswith(said)


def test_from_dict_refuses_an_unknown_key():
    with pytest.raises(
        ConfigError, match=r"unknown key 'tokenize\.rqvae\.size'; did you mean 'tokenize\.rqvae\.sizes'"
    ):
        from_dict(Pipeline, {"tokenize": {"rqvae": {"size": [1]}}})


def test_a_section_given_in_part_keeps_the_defaults_of_its_field():
    @dataclass(frozen=True, kw_only=True)
    class Outer:
        second: Quantizer = field(default_factory=lambda: Quantizer(beta=0.5))

    assert from_dict(Outer, {"second": {"kind": "gradient"}}) == Outer(second=Quantizer(beta=0.5, kind="gradient"))
    assert parse(Outer, ["--second.kind=gradient"], program="p").second.beta == 0.5


def test_a_section_that_the_config_does_not_use_changes_no_fingerprint():
    @dataclass(frozen=True, kw_only=True)
    class Choice:
        method: str = "one"
        one: Quantizer = field(default_factory=Quantizer)
        two: Quantizer = field(default_factory=Quantizer)

        @property
        def unused(self) -> tuple[str, ...]:
            return tuple(name for name in ("one", "two") if name != self.method)

    @dataclass(frozen=True, kw_only=True)
    class Outer:
        choice: Choice = field(default_factory=Choice)

    other = Quantizer(beta=0.26)
    assert fingerprint(Outer(choice=Choice(two=other))) == fingerprint(Outer())
    assert fingerprint(Outer(choice=Choice(one=other))) != fingerprint(Outer())
    assert fingerprint(Outer(choice=Choice(method="two"))) != fingerprint(Outer())


def test_fingerprint_depends_on_every_value_and_not_on_order():
    assert fingerprint(Quantizer(), 1) == fingerprint(Quantizer(), 1)
    assert fingerprint(Quantizer(), 1) != fingerprint(Quantizer(beta=0.26), 1)
    assert fingerprint({"a": 1, "b": [2]}) == fingerprint({"b": [2], "a": 1})


def raises(error: BaseException):
    def call() -> None:
        raise error

    return call


def test_what_is_printed_holds_the_defaults_too(capsys):
    with pytest.raises(SystemExit):
        parse_flags("--tokenize.rqvae.beta=0.5", "--print_config")
    printed = capsys.readouterr().out
    assert "beta: 0.5" in printed
    assert "kind: ema" in printed


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (InputError("no such\n thing"), 2, "error: no such thing\n"),
        (OSError(28, "No space left on device", "runs/x"), 2, "error: No space left on device runs/x; free space"),
        (KeyboardInterrupt(), 130, "interrupted; run the same command again to continue\n"),
    ],
)
def test_guard_ends_a_mistake_in_one_line_and_its_exit_code(capsys, error, code, message):
    with pytest.raises(SystemExit) as ended:
        guard(raises(error))
    assert ended.value.code == code
    printed = capsys.readouterr().err
    assert printed.startswith(message)
    assert printed.count("\n") == 1


def test_guard_does_not_hide_a_bug():
    with pytest.raises(KeyError):
        guard(raises(KeyError("bug")))


def test_run_parses_the_command_line(monkeypatch):
    monkeypatch.setattr("sys.argv", ["prog", "--limit=7"])
    assert run(lambda config: config.limit, Pipeline, program="prog") == 7
