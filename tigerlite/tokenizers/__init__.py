"""From embeddings to semantic ids; the members of the family, by the word that `tokenize.method` takes.

The values are module names, so that a server that needs a vocabulary imports neither Lightning nor faiss.
"""

TOKENIZERS = {
    "rqvae": "tigerlite.tokenizers.rqvae",
    "letter": "tigerlite.tokenizers.letter",
    "imported": "tigerlite.tokenizers.imported",
}
