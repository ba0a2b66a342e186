"""From embeddings to semantic ids; the members of the family, by the word that `tokenize.method` takes.

A member in closed form is a module with `fit(embeddings (N, D), config) -> tokenizer`. A tokenizer offers
`encode(embeddings) -> codes (N, L)`, `space(embeddings)` (where `nearest_free` looks for free codes), `codebook_sizes`,
`save(folder)` and `load(folder)`. Whitening or standardisation is its first step and saved with it.

The values are names, so that a server that needs a vocabulary imports neither Lightning nor faiss.
"""

TOKENIZERS = {
    "rqvae": "tigerlite.tokenizers.rqvae",
    "letter": "tigerlite.tokenizers.letter",
    "soft_rqvae": "tigerlite.tokenizers.soft_rqvae",
    "imported": "tigerlite.tokenizers.imported",
    "rqkmeans": "tigerlite.tokenizers.rqkmeans",
    "pq": "tigerlite.tokenizers.pq",
    "opq": "tigerlite.tokenizers.opq",
    "hierarchical": "tigerlite.tokenizers.hierarchical",
    "random": "tigerlite.tokenizers.random",
}

# An RQ-VAE, trained with gradients.
TRAINED = ("rqvae", "letter")

# Trained with gradients, its codes being mixtures.
SOFT = ("soft_rqvae",)

# Fitted without a Trainer.
CLOSED_FORM = ("rqkmeans", "pq", "opq", "hierarchical", "random")

# What `tokenizer.json` names as its kind, and the class that opens it.
KINDS = {
    "rqvae": "tigerlite.tokenizers.rqvae.RQVAE",
    "soft_rqvae": "tigerlite.tokenizers.soft_rqvae.SoftRQVAE",
    "additive": "tigerlite.tokenizers.additive.AdditiveTokenizer",
    "hierarchical": "tigerlite.tokenizers.hierarchical.HierarchicalTokenizer",
    "random": "tigerlite.tokenizers.random.RandomTokenizer",
}
