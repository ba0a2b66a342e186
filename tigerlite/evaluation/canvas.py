"""An empty figure with panels in a row: the one place that asks for matplotlib, and says what to install without it."""

from typing import TYPE_CHECKING

from tigerlite.config import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def panels(n_panels: int, *, width: float = 3.6, height: float = 3.0) -> tuple["Figure", list["Axes"]]:
    """A figure of `n_panels` axes side by side.

    Args:
        n_panels: at least 1.
        width: of one panel, inches.
        height: inches.

    Raises:
        InputError: without matplotlib.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        raise InputError("plots need matplotlib: pip install 'tigerlite[plots]'") from None

    figure = Figure(figsize=(width * n_panels, height), layout="constrained")
    return figure, list(figure.subplots(1, n_panels, squeeze=False)[0])


def grouped_bars(
    axes: "Axes", groups: list[str], series: dict[str, list[float]], errors: dict[str, list[float]] | None = None
) -> None:
    """Bars of every series beside each other within each group.

    Args:
        axes: what to draw on.
        groups: names under the bars, G of them.
        series: name -> G heights; names go to the legend.
        errors: name -> G half lengths of error bars.
    """
    width = 0.8 / len(series)
    for place, (name, heights) in enumerate(series.items()):
        left = [group - 0.4 + (place + 0.5) * width for group in range(len(groups))]
        axes.bar(left, heights, width, label=name, color=f"C{place}", yerr=errors and errors[name], capsize=2)
    axes.set_xticks(range(len(groups)), groups)
