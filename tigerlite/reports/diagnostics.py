"""`tigerlite report diagnostics RUN`: how training went and what each code of an identifier decides.

Prints filter ratio and purity gain per code (arXiv 2601.17787, table 1 and figure 1) and draws `training.png`,
`alpha.png` (figure 5; where several objectives are mixed), `weight_profile.png` (where tokens are weighted),
`soft_training.png` (where the tokenizer is trained with the recommender), `filter_ratio.png` and `purity_gain.png` into the
run's folder.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tigerlite.config import InputError
from tigerlite.data.dataset import RecDataset
from tigerlite.data.sequences import item_counts
from tigerlite.evaluation.curves import FILE, read_curves
from tigerlite.evaluation.filtering import filter_ratio, plot_filter_ratio
from tigerlite.evaluation.pictures import save_figures, training_figures
from tigerlite.evaluation.purity import plot_purity_gain, purity_gain
from tigerlite.evaluation.soft_codes import soft_training
from tigerlite.evaluation.weight_profile import read_weights
from tigerlite.reports.run_folders import has_stage, picture_folder, stage_folder
from tigerlite.reports.terminal import console, print_table
from tigerlite.run_file import read_run
from tigerlite.tokenizers.bank import TokenizerBank

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = ("code", "filter ratio by items", "by prefixes", "purity gain by items", "by prefixes")


@dataclass(frozen=True, kw_only=True)
class Flags:
    """Flags of `tigerlite report diagnostics RUN`."""

    pictures: bool = True
    """Draw the pictures; needs matplotlib."""


def report(run: Path, flags: Flags) -> None:
    """Print the table of the codes and draw the pictures that the run has something to show in.

    Raises:
        InputError: if the run has neither identifiers nor training curves.
    """
    identified = has_stage(run, "tokenize")
    trained = has_stage(run, "finetune", "pretrain")
    trained = trained and (stage_folder(run, "finetune", "pretrain") / FILE).exists()
    if not identified and not trained:
        raise InputError(f"{run} has neither identifiers nor training curves; there is nothing to diagnose")
    figures: dict[str, Figure] = {}
    if identified:
        figures |= _of_codes(run, flags)
    if trained and flags.pictures:
        folder = stage_folder(run, "finetune", "pretrain")
        n_items = RecDataset.load(stage_folder(run, "prepare")).n_items
        figures |= training_figures(folder.name, read_curves(folder), read_weights(folder, n_items))
        figures |= soft_training(read_run(run))
    if figures:
        files = save_figures(figures, picture_folder(run))
        console().print(f"Pictures: {', '.join(map(str, files.values()))}", soft_wrap=True)


def _of_codes(run: Path, flags: Flags) -> dict[str, "Figure"]:
    codes = TokenizerBank.load(stage_folder(run, "tokenize")).primary[1:].numpy()
    frequencies = item_counts(RecDataset.load(stage_folder(run, "prepare")))[1:]
    filters, purities = filter_ratio(codes), purity_gain(codes, frequencies)
    rows = (
        (
            str(number),
            f"{ruled.by_items:.2%}",
            f"{ruled.by_prefixes:.2%}",
            f"{pure.by_items:.4f}",
            f"{pure.by_prefixes:.4f}",
        )
        for number, (ruled, pure) in enumerate(zip(filters, purities, strict=True), start=1)
    )
    print_table("What each code decides", COLUMNS, rows)
    if not flags.pictures:
        return {}
    return {"filter_ratio": plot_filter_ratio(filters), "purity_gain": plot_purity_gain(purities)}
