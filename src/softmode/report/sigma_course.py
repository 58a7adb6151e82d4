"""Figure of ⟨σ(t)⟩ while more and more frames are evaluated, to where it stopped."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

from softmode.anharmonic.classes import EDGES
from softmode.records import Record
from softmode.report.sigma_figures import APPROACH_NAMES
from softmode.style import (
    REFERENCE_COLOUR,
    colours,
    figure_style,
    guides,
    legend_below,
    plain,
    pretty_formula,
)


def course_figure(records: Mapping[str, Record], formula: str) -> Figure | None:
    """Mean and interval at each look, by number of frames; none where all frames were evaluated at once.

    Parameters
    ----------
    records : mapping of potential to Record
        The ``sigma`` records of one material.
    formula : str
        For the title.
    """
    there = {name: record for name, record in records.items() if "looks" in record.arrays}
    if not there:
        return None
    colour = colours(list(records))
    with figure_style():
        figure = Figure(figsize=(8.2, 3.6))
        panels = figure.subplots(1, 2, sharey=True)
        for axes, (approach, name) in zip(panels, APPROACH_NAMES.items(), strict=True):
            for potential, record in there.items():
                looks, (mean, low, high) = record.arrays["looks"], record.arrays[f"looks_{approach}"].T
                style = {"color": colour[potential]}
                axes.plot(looks, mean, ".-", linewidth=1.0, label=plain(potential), **style)
                axes.fill_between(looks, low, high, alpha=0.2, linewidth=0.0, **style)
                ends = (mean[-1:] - low[-1:], high[-1:] - mean[-1:])
                axes.errorbar(looks[-1:], mean[-1:], ends, fmt="o", markersize=7, capsize=3, **style)
            reference = next(iter(there.values())).values["sigma_reference_mean_t"]
            axes.axhline(reference, color=REFERENCE_COLOUR, linewidth=0.9, label="reference, all frames")
            axes.set_xscale("log", base=2)
            axes.set_xticks(sorted({int(n) for record in there.values() for n in record.arrays["looks"]}))
            axes.xaxis.set_major_formatter(ScalarFormatter())
            guides(axes, EDGES, "y")
            axes.set(xlabel="frames evaluated", title=f"{pretty_formula(formula)}, {name}")
        panels[0].set_ylabel("⟨σ(t)⟩ and 95 % interval")
        legend_below(figure, panels[0].get_legend_handles_labels()[0])
        return figure
