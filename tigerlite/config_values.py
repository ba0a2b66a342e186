"""What values of a config may look like: keys as sections or dotted, values by the type of their key."""

import numbers
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_WORDS = {bool: "true or false", int: "an integer", float: "a number", str: "text", Path: "a path"}


def typed(hint: Any, value: Any) -> Any:
    """A value of the type that its key has; what json loses (tuples, paths, floats without a fraction) is given back.

    Raises:
        TypeError: saying what is allowed.

    >>> typed(tuple[int, ...], [1, 2]), typed(float | None, 1), typed(float | None, None)
    ((1, 2), 1.0, None)
    >>> typed(int, "2")
    Traceback (most recent call last):
    TypeError: an integer
    """
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        return None if value is None else typed(next(part for part in parts if part is not type(None)), value)
    if origin is tuple:
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise TypeError(f"a list, each entry {_WORDS[parts[0]]}")
        return tuple(typed(parts[0], entry) for entry in value)
    if origin is dict:
        if not isinstance(value, Mapping):
            raise TypeError("keys and values")
        return {key: typed(parts[1], entry) for key, entry in value.items()}
    if hint is Any or (isinstance(value, hint) and not (isinstance(value, bool) and hint is int)):
        return value
    kinds = {int: numbers.Integral, float: numbers.Real}
    if hint in kinds and isinstance(value, kinds[hint]) and not isinstance(value, bool):
        return hint(value)
    if hint is Path and isinstance(value, str):
        return Path(value)
    raise TypeError(_WORDS[hint])


def as_sections(values: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted keys as sections of sections, beside sections of the same name.

    >>> as_sections({"tiger.epochs": 2, "tiger": {"head": "trie"}, "seed": 1})
    {'tiger': {'epochs': 2, 'head': 'trie'}, 'seed': 1}
    """
    found: dict[str, Any] = {}
    for key, value in values.items():
        first, dot, rest = str(key).partition(".")
        found = _merged(found, {first: {rest: value} if dot else value})
    return found


def _merged(one: Any, other: Any) -> Any:
    """Sections of both; of two values of one key the other's."""
    if not (isinstance(one, Mapping) and isinstance(other, Mapping)):
        return other
    return {**one, **{key: _merged(one[key], value) if key in one else value for key, value in other.items()}}
