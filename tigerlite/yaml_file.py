"""A YAML file that a person wrote: keys and values, each key once."""

from pathlib import Path
from typing import Any

from tigerlite.config import ConfigError


def read_yaml(file: Path, what: str) -> dict[str, Any]:
    """The keys and values of a file; an empty one has none.

    Args:
        file: the file.
        what: it is to be, for messages: "config file".

    Raises:
        ConfigError: if it cannot be read, is not YAML, holds something else, or holds a key twice, of which YAML keeps the last.
    """
    import yaml

    try:
        loader = yaml.SafeLoader(file.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        twice = None if node is None else _key_given_twice(node)
        values = {} if node is None else loader.construct_document(node)
    except FileNotFoundError:
        raise ConfigError(f"{what} {file} does not exist") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{what} {file} is not text in UTF-8 ({error.reason}); save it as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{what} {file} cannot be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{what} {file} is not YAML: {' '.join(str(error).split())}") from None
    if twice is not None:
        key, line = twice
        raise ConfigError(f"{what} {file} gives '{key}' twice in one section, again in line {line}; keep one")
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{what} {file} must hold keys and values, not {type(values).__name__}")
    return values


def _key_given_twice(node: Any) -> tuple[str, int] | None:
    """The first key that a section below `node` holds twice, and its second line; keys that `<<` brings may be given again."""
    import yaml

    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
                return key.value, key.start_mark.line + 1
            seen.add(key.value if isinstance(key.value, str) else id(key))
            twice = _key_given_twice(value)
            if twice is not None:
                return twice
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            twice = _key_given_twice(value)
            if twice is not None:
                return twice
    return None
