"""What turns a catalogue into an embedding per item: `ENCODERS` lists the methods, all `(items, config) -> (N, D)`.

The sections that configure them sit in the same files: `TextEncoderConfig`, `AttributesConfig`.
"""

from collections.abc import Callable

import numpy as np

from tigerlite.encoders.attributes import encode_attributes
from tigerlite.encoders.text import encode_texts

ENCODERS: dict[str, Callable[..., np.ndarray]] = {
    "text": encode_texts,
    "attributes": encode_attributes,
}
