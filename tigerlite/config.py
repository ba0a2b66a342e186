"""Configuration: frozen dataclasses that refuse what they cannot mean.

A config class is a frozen, keyword-only dataclass whose fields carry a docstring (meaning, unit, source of the default).
`command_line.parse` fills one from layered YAML files and flags, `from_dict` from primitives (what checkpoints hold and
`tigerlite.fit` is given), and `fingerprint` names a result by what produced it.
"""

import dataclasses
import difflib
import hashlib
import json
import typing
from collections.abc import Sequence
from typing import Any, TypeVar

from tigerlite.config_values import as_sections, typed

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
        values: what is given, as nested sections or dotted keys; the rest comes from `default`.
        path: of the section, for messages.
        default: None = the defaults of the class. A section's are those of the field that holds it, as on the command line.

    Raises:
        ConfigError: on an unknown key (the nearest known one is suggested), or a value of another type or that the class refuses.
    """
    values = as_sections(values)
    fields = {field.name: field for field in dataclasses.fields(cls)}
    hints = typing.get_type_hints(cls)
    for key in values:
        if key not in fields:
            raise ConfigError(unknown_key(path + key, known_keys(cls, path)))
    arguments = {}
    for key, value in values.items():
        hint = hints[key]
        if dataclasses.is_dataclass(hint) and isinstance(value, dict):
            arguments[key] = from_dict(hint, value, f"{path}{key}.", _default(fields[key], default))
        elif dataclasses.is_dataclass(hint) and not isinstance(value, hint):
            raise ConfigError(f"{path}{key}={value!r} is no section; give keys and values")
        else:
            try:
                arguments[key] = typed(hint, value)
            except TypeError as error:
                raise ConfigError(f"{path}{key}={value!r} is of the wrong type; allowed: {error}") from None
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


def reseeded(config: Config, seed: int) -> Config:
    """The config with another seed, its own and that of every section that has one."""
    parts = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    seeded = {name: dataclasses.replace(part, seed=seed) for name, part in parts.items() if hasattr(part, "seed")}
    return dataclasses.replace(config, **seeded, **({"seed": seed} if "seed" in parts else {}))


def known_keys(cls: type, prefix: str = "") -> list[str]:
    """Every dotted key of a config class, sections included."""
    hints = typing.get_type_hints(cls)
    keys = []
    for field in dataclasses.fields(cls):
        keys.append(prefix + field.name)
        if dataclasses.is_dataclass(hints[field.name]):
            keys += known_keys(hints[field.name], f"{prefix}{field.name}.")
    return keys


def unknown_key(key: str, known: Sequence[str]) -> str:
    """What to say of a key that is none of `known`; the nearest is suggested."""
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    shown = ", ".join([*known[:12], "..."] if len(known) > 12 else known)
    return f"unknown key '{key}'; " + (f"did you mean '{near[0]}'?" if near else f"known: {shown}")
