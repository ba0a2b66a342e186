"""The command line: `parse` turns `--config=A.yaml --config=B.yaml --tokenize.rqvae.beta=0.5` into a config (later wins); a
mistake is one line and exit code 2."""

import dataclasses
import errno
import functools
import sys
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from tigerlite.config import ConfigError, InputError, from_dict, known_keys, unknown_key
from tigerlite.yaml_file import read_yaml

Config = TypeVar("Config")


def parse(cls: type[Config], argv: Sequence[str] | None = None, *, program: str, description: str = "") -> Config:
    """Parse flags and layered `--config` files into an instance of `cls`.

    Raises:
        ConfigError: on an unknown key, an unreadable file or a value of the wrong type or range.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    keys = known_keys(cls)
    for flag in argv:
        name = flag[2:].split("=")[0]
        if flag.startswith("--") and name not in [*keys, "config", "help", "print_config"]:
            raise ConfigError(unknown_key(name, keys))
    for file in _config_files(argv):
        values = read_yaml(Path(file), "config file")
        try:
            given = _flatten(values, cls)
        except ConfigError as error:
            raise ConfigError(f"{error} (in {file})") from None
        for key in given:
            if key not in keys:
                raise ConfigError(f"{unknown_key(key, keys)} (in {file})")

    # Defaults are left to from_dict, which fills them in anyway and fast, except where they are to be printed.
    printed = any(flag.startswith("--print_config") for flag in argv)
    values = _parser(cls, program, description).parse_args(argv, defaults=printed).as_dict()
    values.pop("config", None)
    return from_dict(cls, values)


@functools.cache
def _parser(cls: type, program: str, description: str) -> Any:
    """The parser of a class, built once: building takes far longer than parsing, and a study parses every row."""
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


def _config_files(argv: Sequence[str]) -> list[str]:
    files = [flag.split("=", 1)[1] for flag in argv if flag.startswith("--config=")]
    return files + [argv[i + 1] for i, flag in enumerate(argv[:-1]) if flag == "--config"]


def _flatten(values: dict[str, Any], cls: type, prefix: str = "") -> list[str]:
    """Dotted keys of a YAML mapping, descending only where the class has a section of that name."""
    hints = typing.get_type_hints(cls)
    keys = []
    for key, value in values.items():
        hint = hints.get(key)
        if dataclasses.is_dataclass(hint):
            if not isinstance(value, dict):
                raise ConfigError(f"{prefix}{key}={value!r} is no section; give keys and values, or leave it out")
            keys += _flatten(value, hint, f"{prefix}{key}.")
        else:
            keys.append(f"{prefix}{key}")
    return keys
