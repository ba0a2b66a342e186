"""One text at a time, straight from the transformers model: no batches, no padding, no mask."""

import torch


def embed_one_by_one(folder, model_class, texts, *, pooling, normalize, prompt="", projection=None):
    """Embeddings (N, D) float32, each from its own forward pass."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = model_class.from_pretrained(folder).float().eval()
    embeddings = []
    for text in texts:
        tokens = torch.tensor([tokenizer(prompt + text)["input_ids"]])
        with torch.no_grad():
            hidden = model(input_ids=tokens).last_hidden_state[0]
        vector = {"mean": hidden.mean(dim=0), "cls": hidden[0], "last": hidden[-1]}[pooling]
        if projection is not None:
            vector = projection @ vector
        if normalize:
            vector = vector / vector.norm()
        embeddings.append(vector)
    return torch.stack(embeddings).numpy()
