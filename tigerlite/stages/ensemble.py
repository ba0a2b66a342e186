"""The members that an evaluation ranks together: fine-tuned models of one stage, or one model under each of its identifiers."""

from pathlib import Path

from tigerlite.config import InputError, to_dict
from tigerlite.recommenders.base import Recommender
from tigerlite.recommenders.member_ensemble import MemberEnsemble
from tigerlite.recommenders.tiger import TIGER
from tigerlite.stages.member_choice import CHOICE, best_start_of_members


def member_ensemble(model: Recommender, folder: Path) -> MemberEnsemble:
    """All members, whether or not they were chosen by validation; of a member's several starts the best by validation.

    Args:
        model: what the stage gave; one trained on several identifiers is decoded under each.
        folder: of the stage; with identifiers.use=each it holds a model per member.

    Raises:
        InputError: if there is one member alone.
    """
    if isinstance(model, TIGER) and model.draw.n_members > 1:
        return MemberEnsemble([_under(model, member) for member in range(model.draw.n_members)])
    if not (folder / CHOICE).is_file():
        raise InputError(
            f"{folder} holds one model of one identifier per item; set finetune.identifiers.use=each for an ensemble"
        )
    return MemberEnsemble([TIGER.load(place) for place in best_start_of_members(folder)])


def _under(model: TIGER, member: int) -> TIGER:
    """The model with the identifiers of one member; weights are shared."""
    alone = TIGER(to_dict(model.config), model.bank.select([member]), stage=model.stage).eval()
    alone.t5, alone.copying = model.t5, model.copying
    return alone
