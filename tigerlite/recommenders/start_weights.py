"""The weights of one generative recommender as the start of another, which may write more digits or read other inputs.

MTGRec's pre-training (arXiv 2504.04400) may start UniGRec (2601.17438). Both are one T5 over one table of token embeddings, which
is input and output head at once, so every weight has its place; what differs is stated here:

- TIGER's history holds a token per code and the digit, UniGRec's a mixture per code and no digit. The embeddings that are mixed
  are those of the codes; relative positions were learnt with one token more per item.
- The bank has as many digits as its largest group of items needs, UniGRec `unigrec.digits`. Digits that both have keep their
  embedding, those that only the new model has start at random, and those that only the old one had are dropped.
- Copying (`copying.py`) goes over where both models copy; where only the new one does it starts at zero.
"""

from torch import Tensor

from tigerlite.config import InputError
from tigerlite.recommenders.generative import GenerativeRecommender
from tigerlite.tokenizers.vocabulary import SemanticVocab

EMBEDDING = "embedding.weight"


def start_from(base: GenerativeRecommender, model: GenerativeRecommender, *, other_digits: bool) -> None:
    """Copy the network of `base` into `model`.

    Args:
        base: a trained model.
        model: gets its weights.
        other_digits: whether the last level, the digit's, may differ in size.

    Raises:
        InputError: if the networks differ in anything else.
    """
    ours, theirs = model.t5.state_dict(), dict(base.t5.state_dict())
    if other_digits and _same_but_digits(model.vocab, base.vocab):
        theirs[EMBEDDING] = moved(theirs[EMBEDDING], base.vocab, ours[EMBEDDING], model.vocab)
    shapes, found = ({name: tuple(value.shape) for name, value in state.items()} for state in (ours, theirs))
    if shapes != found:
        different = sorted(name for name in shapes.keys() | found.keys() if shapes.get(name) != found.get(name))
        raise InputError(
            f"the network to start from differs in {len(different)} weights ({different[0]}, ...); give pretrain.tiger and "
            "finetune.tiger the same t5 sizes and user_token (and unigrec.digits)"
        )
    model.t5.load_state_dict(theirs)
    if model.copying is not None and base.copying is not None:
        model.copying.load_state_dict(base.copying.state_dict())


def moved(theirs: Tensor, old: SemanticVocab, ours: Tensor, new: SemanticVocab) -> Tensor:
    """Embeddings (V', D) of the tokens of `new`: those of `old` where it has the token, the others as in `ours` (V', D).

    Args:
        theirs: (V, D), in the order of `old`.
        old: a vocabulary.
        ours: (V', D), in the order of `new`.
        new: the same with another number of codes at the last level.
    """
    result = ours.clone()
    shared = old.offsets[-1] + min(old.codebook_sizes[-1], new.codebook_sizes[-1])
    result[:shared] = theirs[:shared]
    n_last = new.size - (1 + sum(new.codebook_sizes))  # user tokens, bos, eos
    result[-n_last:] = theirs[-n_last:]
    return result


def _same_but_digits(ours: SemanticVocab, theirs: SemanticVocab) -> bool:
    levels = ours.codebook_sizes[:-1] == theirs.codebook_sizes[:-1]
    return levels and ours.n_levels == theirs.n_levels and ours.n_user_tokens == theirs.n_user_tokens
