"""Item titles, item texts for a text encoder, and attributes for a catalogue without text, from any item table.

The text is the chosen fields in order, each closed by a full stop, which is the recipe of MTGRec's data (arXiv
2504.04400). Cleaning undoes what product dumps hold: HTML entities, tags, style blocks and comments, line breaks,
lists stored as strings.
"""

import ast
import html
import json
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tigerlite.columns import ITEM
from tigerlite.config import InputError, check, check_choice

if TYPE_CHECKING:
    import polars as pl

log = logging.getLogger(__name__)

_INVISIBLE = re.compile(r"<!--.*?(?:-->|$)|<(style|script)\b.*?(?:</\1\s*>|$)", re.DOTALL | re.IGNORECASE)
# A tag begins with a letter: "3 < 4 and 5 > 2" has none.
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>")


@dataclass(frozen=True, kw_only=True)
class ItemTextConfig:
    """How the item table becomes titles, texts and attributes."""

    fields: tuple[str, ...] = ()
    """Columns that make the text, in this order; empty = every text or list column, in the table's order."""
    title: str | None = None
    """Column shown as title; None = `title` where the table has it, otherwise the first of the fields."""
    attributes: tuple[str, ...] = ()
    """Columns that make the attributes; empty = every list column."""
    separators: tuple[str, ...] = ("|", ",", ";")
    """What divides attributes stored in one string; lists are divided already."""
    clean: bool = True
    """Undo HTML, line breaks and lists stored as strings."""
    max_characters: int = 2000
    """Cut longer texts at a space; 2000 is about 500 tokens, more than sentence-T5 (256) reads."""
    missing: str = "fallback"
    """Items without any text: fallback (use `item ID`, counted) or refuse."""

    def __post_init__(self) -> None:
        check(self.max_characters >= 1, "max_characters", self.max_characters, "an integer >= 1")
        check_choice("missing", self.missing, ("fallback", "refuse"))
        check(all(self.separators), "separators", self.separators, "strings that are not empty")


@dataclass(frozen=True)
class ItemText:
    """One entry per item, in the order of the ids asked for."""

    titles: list[str]
    texts: list[str] | None
    attributes: list[list[str]] | None
    """None where no item has one."""
    n_missing: int
    """Items whose text is the fallback."""


def item_text(items: "pl.LazyFrame | None", item_ids: Sequence[str], config: ItemTextConfig) -> ItemText:
    """Title, text and attributes of every item in `item_ids`; without an item table, titles alone (`item ID`).

    Raises:
        InputError: if the table has none of the items, on a column that is missing or holds no text, or with
            `missing: refuse` if an item has no text.
    """
    if items is None:
        return ItemText([_fallback(item) for item in item_ids], None, None, 0)
    fields, title, attributes = _choose_columns(items.collect_schema(), config)
    wanted = list(dict.fromkeys([ITEM, *fields, title, *attributes]))
    rows = {row[ITEM]: row for row in items.select(wanted).collect(engine="streaming").iter_rows(named=True)}
    if rows and not any(item in rows for item in item_ids):
        raise InputError(
            f"no id of the item table is one of the interactions' items: it has {next(iter(rows))!r}, they have {item_ids[0]!r}; "
            "name the column of its ids (prepare.tabular.item_id), or write them as there"
        )
    table = [rows.get(item, {}) for item in item_ids]
    texts = [_text([row.get(name) for name in fields], config) for row in table]
    without = [item for item, text in zip(item_ids, texts, strict=True) if not text]
    if without:
        message = f"{len(without)} of {len(item_ids)} interacted items have no text (first: {without[0]!r})"
        if config.missing == "refuse":
            raise InputError(f"{message}; add them to the item table or set prepare.text.missing=fallback")
        level = logging.WARNING if len(without) > len(item_ids) / 2 else logging.INFO
        log.log(level, "%s; their text is 'item ID'", message)
    titles = [" ".join(_parts(row.get(title), config)) for row in table]
    found = [_attributes([row.get(name) for name in attributes], config) for row in table]
    return ItemText(
        titles=[text or _fallback(item) for item, text in zip(item_ids, titles, strict=True)],
        texts=[text or _fallback(item) for item, text in zip(item_ids, texts, strict=True)],
        attributes=found if any(found) else None,
        n_missing=len(without),
    )


def clean_text(text: str) -> str:
    """The text as a reader of the page would see it, on one line.

    >>> clean_text("Tom &amp; Jerry<br/>\\n <b>2 < 3</b><!-- .css{} -->")
    'Tom & Jerry 2 < 3'
    """
    visible = _TAG.sub(" ", _INVISIBLE.sub(" ", html.unescape(text)))
    return " ".join(visible.split())


def _choose_columns(schema: "pl.Schema", config: ItemTextConfig) -> tuple[list[str], str, list[str]]:
    import polars as pl

    lists = [name for name, dtype in schema.items() if dtype == pl.List and name != ITEM]
    strings = (pl.String, pl.Categorical, pl.Enum)
    written = [name for name, dtype in schema.items() if name != ITEM and (name in lists or dtype in strings)]
    for section, names in (("fields", config.fields), ("attributes", config.attributes), ("title", (config.title,))):
        for name in names:
            if name is not None and name not in schema:
                raise InputError(
                    f"prepare.text.{section} names '{name}', which the item table has not; "
                    f"its columns: {', '.join(key for key in schema if key != ITEM)}"
                )
    fields = list(config.fields) or written
    if not fields:
        raise InputError("the item table has no text column; name some in prepare.text.fields or leave the table out")
    title = config.title or ("title" if "title" in schema else fields[0])
    return fields, title, list(config.attributes) or lists


def _parts(value: Any, config: ItemTextConfig) -> list[str]:
    """The strings in one cell: none for null, several for a list, in its order."""
    if value is None:
        return []
    if isinstance(value, str) and config.clean:
        value = _parse_list(value)
    parts = [str(part) for part in (value if isinstance(value, list) else [value]) if part is not None]
    parts = [clean_text(part) for part in parts] if config.clean else parts
    return [part for part in parts if part]


def _parse_list(text: str) -> str | list[Any]:
    """A list stored as a string by json or by Python's repr; anything else unchanged."""
    text = text.strip()
    if not (text.startswith("[") and text.endswith("]")):
        return text
    for parse in (json.loads, ast.literal_eval):
        try:
            parsed = parse(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
        if isinstance(parsed, list):
            return parsed
    return text


def _text(values: Sequence[Any], config: ItemTextConfig) -> str:
    sentences = []
    for value in values:
        parts = _parts(value, config)
        # Paragraphs stand as they are; bare words such as categories get commas.
        joined = " ".join(part if part[-1] in ".!?:;," else f"{part}," for part in parts).rstrip(",")
        if joined:
            sentences.append(joined if joined[-1] in ".!?" else f"{joined}.")
    text = " ".join(sentences)
    if len(text) <= config.max_characters:
        return text
    cut = text[: config.max_characters + 1]
    return (cut.rsplit(" ", 1)[0] if " " in cut else cut)[: config.max_characters]


def _attributes(values: Sequence[Any], config: ItemTextConfig) -> list[str]:
    """Distinct attributes in order of first mention."""
    divide = re.compile("|".join(re.escape(mark) for mark in config.separators) or r"(?!)")
    found = []
    for value in values:
        whole = isinstance(_parse_list(value) if isinstance(value, str) and config.clean else value, list)
        for part in _parts(value, config):
            found += [part] if whole else [piece.strip() for piece in divide.split(part)]
    return list(dict.fromkeys(piece for piece in found if piece))


def _fallback(item: str) -> str:
    return f"item {item}"
