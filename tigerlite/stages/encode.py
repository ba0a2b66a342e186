"""Stage `encode`: one embedding per item, from its text (`text_shards.py`), from its attributes, or read from a file."""

import logging
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from tigerlite.config import ConfigError, InputError, check_choice, fingerprint
from tigerlite.data.dataset import RecDataset
from tigerlite.encoders import ENCODERS
from tigerlite.encoders.attributes import AttributesConfig, encode_attributes
from tigerlite.encoders.embeddings import ItemEmbeddings, read_matrix
from tigerlite.encoders.text import TextEncoderConfig
from tigerlite.row_ids import rows_of_items
from tigerlite.stages.sources import Source, source_of
from tigerlite.stages.text_shards import SHARDS, embed_texts
from tigerlite.stages.trainer_config import Context

VERSION = 1
TRAINS = False
METHODS = (*ENCODERS, "file")

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class FileConfig:
    """Embeddings that were made elsewhere."""

    path: Path | None = None
    """An .npy file (rows, D) of finite numbers."""
    ids: Path | None = None
    """Text file of your item ids, one a line, that names each row; rows of items that are not in the prepared data are left
    out. None: there is a row per item of the prepared data, in the order of `items.json` of the prepare stage."""


@dataclass(frozen=True, kw_only=True)
class EncodeConfig:
    """Where item embeddings come from."""

    method: str = "text"
    """text (a Hugging Face model reads the item texts), attributes (tf-idf and SVD, no text needed), or file."""
    text: TextEncoderConfig = field(default_factory=TextEncoderConfig)
    """Used by method=text."""
    attributes: AttributesConfig = field(default_factory=AttributesConfig)
    """Used by method=attributes."""
    file: FileConfig = field(default_factory=FileConfig)
    """Used by method=file."""

    def __post_init__(self) -> None:
        check_choice("method", self.method, METHODS)
        if self.method == "file" and self.file.path is None:
            raise ConfigError("file.path is not set but method='file' reads it; give an .npy file (items, dimensions)")

    @property
    def unused(self) -> tuple[str, ...]:
        """Sections of the methods that were not chosen."""
        return tuple(name for name in METHODS if name != self.method)


def source(config: EncodeConfig) -> Source | None:
    """What the stage reads besides the data set; None where that is nothing, or a model named by its hub id.

    Raises:
        InputError: if the embedding file does not exist.
    """
    if config.method == "file":
        if not config.file.path.is_file():
            raise InputError(
                f"embedding file {config.file.path} does not exist; give an .npy file of shape (items, dimensions)"
            )
        files = [file for file in (config.file.path, config.file.ids) if file is not None]
        sources = [source_of([file], file.parent) for file in files]
        return sources[0] if len(sources) == 1 else Source(fingerprint(*(one.fingerprint for one in sources)))
    if config.method != "text" or config.text.model is None:
        return None
    folder = Path(config.text.model).expanduser()
    return source_of(sorted(folder.rglob("*")), folder) if folder.is_dir() else None


def run(
    config: EncodeConfig,
    dataset: RecDataset,
    given: Source | None = None,
    *,
    out: Path,
    context: Context | None = None,
) -> ItemEmbeddings:
    """Embed every item of `dataset` and write the result into `out`, continuing from finished shards found there.

    Args:
        config: where the embeddings come from.
        dataset: the items, with texts or attributes.
        given: what `source` returned; it names the folder of the result, `config` says where the files are.
        out: an existing folder.
        context: Trainer settings.

    Raises:
        InputError: if the data set has no texts or attributes to encode, the model or file cannot be read, or an
            embedding is not finite.
    """
    if config.method == "text":
        matrix = embed_texts(config.text, dataset.texts, out, context or Context())
    elif config.method == "attributes":
        if dataset.attributes is None:
            raise InputError(
                "encode.method='attributes' but the data set has no item attributes; name them, or use text"
            )
        matrix = encode_attributes(dataset.attributes, config.attributes)
    else:
        matrix = read_matrix(config.file.path)
        if config.file.ids is not None:
            ids, path = config.file.ids, config.file.path
            matrix = matrix[rows_of_items(ids, path, len(matrix), dataset.item_ids, "encode.file.ids")]
    embeddings = ItemEmbeddings(matrix, dataset.n_items)
    embeddings.save(out)
    shutil.rmtree(out / SHARDS, ignore_errors=True)
    log.info("embeddings: %d items, %d dimensions", embeddings.n_items, embeddings.dimensions)
    return load(out)


def load(folder: Path) -> ItemEmbeddings:
    """The embeddings that `run` wrote into `folder`."""
    return ItemEmbeddings.load(folder)
