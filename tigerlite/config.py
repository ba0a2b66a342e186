"""Configuration: frozen dataclasses, filled from layered YAML files and flags; a mistake is one line and exit code 2.

A config class is a frozen, keyword-only dataclass whose fields carry a docstring (meaning, unit, source of the
default). `parse` turns `--config=A.yaml --config=B.yaml --tokenize.rqvae.beta=0.5` into an instance (later wins),
`from_dict` builds one from primitives (what checkpoints hold), `fingerprint` names a result by what produced it.
"""

import dataclasses
import difflib
import errno
import functools
import hashlib
import json
import sys
import types
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

Config = TypeVar("Config")


class InputError(ValueError):
    """A mistake in what the user gave (file, value, flag): one line that says what, the value, what is allowed, what to do."""


class ConfigError(InputError):
    """An unknown key or a value out of range."""


def check(allowed: bool, field: str, value: object, allowed_values: str) -> None:
    """Refuse a config value; call it from `__post_init__`, `from_dict` adds the path of the section.

    Raises:
        ConfigError: if `allowed` is false.

    >>> check(0 < 2, "beta", 2, "a number > 0")
    >>> check(0 < -1, "beta", -1, "a number > 0")
    Traceback (most recent call last):
    tigerlite.config.ConfigError: beta=-1 is out of range; allowed: a number > 0
    """
    if not allowed:
        raise ConfigError(f"{field}={value!r} is out of range; allowed: {allowed_values}")


def check_choice(field: str, value: str, choices: Sequence[str]) -> None:
    """Refuse a word that is not one of `choices`, suggesting the nearest.

    Raises:
        ConfigError: if `value` is none of `choices`.
    """
    if value not in choices:
        near = difflib.get_close_matches(str(value), choices, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise ConfigError(f"{field}={value!r} is unknown; allowed: {', '.join(choices)}{hint}")


def from_dict(cls: type[Config], values: dict[str, Any], path: str = "", default: Config | None = None) -> Config:
    """Build a config dataclass from nested primitives, as a checkpoint or a parsed YAML file holds them.

    Args:
        cls: the class.
        values: what is given; the rest comes from `default`.
        path: of the section, for messages.
        default: None = the defaults of the class. A section's are those of the field that holds it, as on the command line.

    Raises:
        ConfigError: on an unknown key (the nearest known one is suggested) or a value that the class refuses.
    """
    fields = {field.name: field for field in dataclasses.fields(cls)}
    hints = typing.get_type_hints(cls)
    for key in values:
        if key not in fields:
            raise ConfigError(_unknown_key(path + key, known_keys(cls, path)))
    arguments = {}
    for key, value in values.items():
        hint = hints[key]
        if dataclasses.is_dataclass(hint) and isinstance(value, dict):
            arguments[key] = from_dict(hint, value, f"{path}{key}.", _default(fields[key], default))
        elif dataclasses.is_dataclass(hint) and not isinstance(value, hint):
            raise ConfigError(f"{path}{key}={value!r} is no section; give keys and values")
        else:
            arguments[key] = _coerce(hint, value)
    try:
        return cls(**arguments) if default is None else dataclasses.replace(default, **arguments)
    except ConfigError as error:
        if path and not str(error).startswith(path):
            raise ConfigError(path + str(error)) from None
        raise


def _default(field: dataclasses.Field, owner: Any) -> Any:
    """What a section is where nothing is given for it."""
    if owner is not None:
        return getattr(owner, field.name)
    return None if field.default_factory is dataclasses.MISSING else field.default_factory()


def to_dict(config: Any) -> dict[str, Any]:
    """The config as nested primitives (paths as strings, tuples as lists): what checkpoints and provenance files hold."""
    return json.loads(json.dumps(dataclasses.asdict(config), default=str))


def decisive(config: Any) -> dict[str, Any]:
    """`to_dict` without the sections that the config says it leaves `unused`: those of the methods that were not chosen."""
    plain = to_dict(config)
    for name in getattr(config, "unused", ()):
        del plain[name]
    return {
        name: decisive(getattr(config, name)) if dataclasses.is_dataclass(getattr(config, name)) else value
        for name, value in plain.items()
    }


def fingerprint(*parts: Any) -> str:
    """Ten hex digits that name whatever `parts` (configs, strings, numbers, nested lists) describe.

    >>> fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    True
    """
    plain = [decisive(part) if dataclasses.is_dataclass(part) else part for part in parts]
    text = json.dumps(plain, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def known_keys(cls: type, prefix: str = "") -> list[str]:
    """Every dotted key of a config class, sections included."""
    hints = typing.get_type_hints(cls)
    keys = []
    for field in dataclasses.fields(cls):
        keys.append(prefix + field.name)
        if dataclasses.is_dataclass(hints[field.name]):
            keys += known_keys(hints[field.name], f"{prefix}{field.name}.")
    return keys


def parse(cls: type[Config], argv: Sequence[str] | None = None, *, program: str, description: str = "") -> Config:
    """Parse flags and layered `--config` files into an instance of `cls`.

    Raises:
        ConfigError: on an unknown key, an unreadable file or a value of the wrong type or range.
    """
    import yaml

    argv = list(sys.argv[1:] if argv is None else argv)
    keys = known_keys(cls)
    for flag in argv:
        name = flag[2:].split("=")[0]
        if flag.startswith("--") and name not in [*keys, "config", "help", "print_config"]:
            raise ConfigError(_unknown_key(name, keys))
    for file in _config_files(argv):
        try:
            values = yaml.safe_load(Path(file).read_text()) or {}
        except FileNotFoundError:
            raise ConfigError(f"config file {file} does not exist") from None
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"config file {file} cannot be read: {error}") from None
        except yaml.YAMLError as error:
            raise ConfigError(f"config file {file} is not YAML: {' '.join(str(error).split())}") from None
        if not isinstance(values, dict):
            raise ConfigError(f"config file {file} must hold keys and values, not {type(values).__name__}")
        for key in _flatten(values, cls):
            if key not in keys:
                raise ConfigError(f"{_unknown_key(key, keys)} (in {file})")

    values = _parser(cls, program, description).parse_args(argv).as_dict()
    values.pop("config", None)
    return from_dict(cls, _plain(values))


@functools.cache
def _parser(cls: type, program: str, description: str) -> Any:
    """The parser of a class, built once: building takes as long as parsing, and a study parses every row."""
    import jsonargparse

    jsonargparse.set_parsing_settings(docstring_parse_attribute_docstrings=True)

    class Parser(jsonargparse.ArgumentParser):
        def error(self, message: str, ex: Exception | None = None) -> NoReturn:
            raise ConfigError(" ".join(message.split()))

    parser = Parser(prog=program, description=description, exit_on_error=True)
    parser.add_argument("--config", action="config", help="YAML file; may be given several times, the later one wins")
    parser.add_class_arguments(cls, None)
    return parser


def run(main: Callable[[Config], Any], cls: type[Config], *, program: str, description: str = "") -> Any:
    """Parse the command line and call `main`; a user's mistake ends as one line on stderr and exit code 2."""
    return guard(lambda: main(parse(cls, program=program, description=description)))


def guard(call: Callable[[], Any]) -> Any:
    """Call something and turn a user's mistake into one line and exit code 2, an interruption into exit code 130."""
    try:
        return call()
    except InputError as error:
        sys.exit(_fail(f"error: {' '.join(str(error).split())}", 2))
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        blocked = error.errno in (errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT, errno.ENOTDIR, errno.EEXIST)
        advice = "; free space or choose another folder with --out" if blocked else ""
        sys.exit(_fail(f"error: {error.strerror or error}{where}{advice}", 2))
    except KeyboardInterrupt:
        sys.exit(_fail("interrupted; run the same command again to continue", 130))


def _fail(message: str, code: int) -> int:
    print(message, file=sys.stderr)
    return code


def _unknown_key(key: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    return f"unknown key '{key}'" + (
        f"; did you mean '{near[0]}'?" if near else f"; known: {', '.join(known[:12])}, ..."
    )


def _config_files(argv: Sequence[str]) -> list[str]:
    files = [flag.split("=", 1)[1] for flag in argv if flag.startswith("--config=")]
    return files + [argv[i + 1] for i, flag in enumerate(argv[:-1]) if flag == "--config"]


def _flatten(values: dict[str, Any], cls: type, prefix: str = "") -> list[str]:
    """Dotted keys of a YAML mapping, descending only where the class has a section of that name."""
    hints = typing.get_type_hints(cls)
    keys = []
    for key, value in values.items():
        hint = hints.get(key)
        if isinstance(value, dict) and dataclasses.is_dataclass(hint):
            keys += _flatten(value, hint, f"{prefix}{key}.")
        else:
            keys.append(f"{prefix}{key}")
    return keys


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _coerce(hint: Any, value: Any) -> Any:
    """Give back the two types that json loses: tuples and paths."""
    if typing.get_origin(hint) is types.UnionType:
        hints = [part for part in typing.get_args(hint) if part is not type(None)]
        return value if value is None or len(hints) != 1 else _coerce(hints[0], value)
    if typing.get_origin(hint) is tuple and isinstance(value, list):
        return tuple(value)
    if hint is Path and isinstance(value, str):
        return Path(value)
    return value
