"""The leaderboard drawn, and the section of a page that sets a study's potentials beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from softmode.charts import IntervalRow, Intervals
from softmode.leaderboard.beside import Candidate, standings
from softmode.leaderboard.boards import HARMONIC, RANKED_BY, SIGMA, Board
from softmode.leaderboard.ranks import ranked
from softmode.leaderboard.standing import Standing, standing_words
from softmode.panel import Panel, Row, Table, interval, number, probability
from softmode.statistics.bootstrap import Estimate
from softmode.statistics.matrix_tests import holm
from softmode.style import (
    colours,
    distinct,
    dots,
    error_bars,
    figure_style,
    group_name,
    guides,
    legend_below,
    marker_handles,
    markers,
    plain,
    plain_log,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CHAPTER = "Beside others"
_OWN, _HESSIANS, _FORCES = "*", "D", "o"
_ABOVE: Any = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0), "ncols": 2}
_HALIDES = ("F", "Cl", "Br", "I")
#: Of crystals with frames: neither colours of training sets nor their markers.
_SHAPES, _GREYS = ("s", "^", "v", "P", "X"), ("0.0", "0.55")


def leaderboard_figure(boards: Sequence[Board]) -> Figure:
    """Medians of the boards with phonons, and σ less that of DFT on the frames of the others.

    Colours are training sets, diamonds potentials trained on Hessians too; crystals with frames are shapes
    in grey and black.

    Parameters
    ----------
    boards : sequence of Board
        At least one.
    """
    from matplotlib.figure import Figure

    largest = max(boards, key=lambda board: (HARMONIC in board.measurements, len(board.materials)))
    with_sigma = [board for board in boards if SIGMA in board.measurements]
    by = RANKED_BY[HARMONIC]
    places = ranked(largest, by) if HARMONIC in largest.measurements else []
    names = [place.potential for place in places] or list(largest.potentials)
    look = _look(largest, names)
    columns = [name for name in (by.name, "softening", "stability_agrees") if places]
    with figure_style():
        figure = Figure(figsize=(3.4 * (len(columns) + bool(with_sigma)) + 1.2, 1.6 + 0.27 * len(names)))
        panels = figure.subplots(1, max(1, len(columns) + bool(with_sigma)), sharey=True, squeeze=False)[0]
        for axes, name in zip(panels, columns, strict=False):
            estimates = {place.potential: place.medians[name] for place in places}
            scale = 100.0 if name == "stability_agrees" else 1.0
            _column(axes, names, estimates, look, scale)
            title = next(figure.label for figure in largest.figures if figure.name == name)
            axes.set_xlabel({"stability_agrees": "stability as DFT's, %"}.get(name, f"{title}, median"))
        if places:
            _groups(panels[0], largest, names)
            plain_log(panels[0], "x")
            guides(panels[columns.index("softening")], (1.0,), "x")
        if with_sigma:
            _sigma(panels[-1], with_sigma, names)
        _potentials_down(panels[0], names)
        _legend(figure, largest, look)
        return figure


def _look(board: Board, names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Colour by training set, marker by whether Hessians were in it."""
    base = {name: _base(board, name) for name in names}
    shades = colours(distinct(base.values()))
    return {
        name: (shades[data], _HESSIANS if board.about[name]["hessians"] else _FORCES)
        for name, data in base.items()
    }


def _base(board: Board, name: str) -> str:
    """The training set without the Hessians of phonons."""
    data = str(board.about[name]["training_data"])
    return data.replace(" + MDR phonons", "").replace(", then MDR phonons", "")


def _column(
    axes: Axes,
    names: Sequence[str],
    estimates: Mapping[str, Estimate],
    look: Mapping[str, tuple[str, str]],
    scale: float = 1.0,
) -> None:
    """A figure of each potential with its interval, from the top down."""
    for height, name in enumerate(names):
        found, (colour, marker) = estimates[name], look[name]
        bars = scale * error_bars([found.value], [found.low], [found.high])
        axes.errorbar([scale * found.value], [height], xerr=bars, color=colour, linewidth=1.2, capsize=2)
        dots(
            axes, [scale * found.value], [height], colour, marker, size=60 if marker == _OWN else 34, zorder=3
        )


def _groups(axes: Axes, board: Board, names: Sequence[str]) -> None:
    """Letters of the halides where their own medians are."""
    by = RANKED_BY[HARMONIC]
    for group in (group for group in _HALIDES if group in board.groups):
        medians = {
            place.potential: place.medians[by.name].value for place in ranked(board.in_group(group), by)
        }
        heights = np.arange(len(names)) + 0.3
        letters = rf"$\mathrm{{{group}}}$"
        dots(axes, [medians[name] for name in names], heights, "0.45", letters, size=22 * len(group))


def _sigma(axes: Axes, boards: Sequence[Board], names: Sequence[str]) -> None:
    by, marker = RANKED_BY[SIGMA], markers([board.key for board in boards], _SHAPES)
    shade = {board.key: _GREYS[at % len(_GREYS)] for at, board in enumerate(boards)}
    for board in boards:
        difference = board.values[by.name] - board.reference_values(by)[:, None]
        for height, name in enumerate(names):
            if name in board.potentials:
                x = difference[0, board.potentials.index(name)]
                dots(axes, [x], [height], shade[board.key], marker[board.key], size=24, alpha=0.85)
    guides(axes, (0.0,), "x")
    axes.set_xlabel("σ less that of DFT, same frames")
    labels = {board.key: plain(board.title) for board in boards}
    axes.legend(handles=marker_handles(labels, shade, marker), fontsize=6.5, **_ABOVE)


def _potentials_down(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), [plain(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.7)


def _legend(figure: Figure, board: Board, look: Mapping[str, tuple[str, str]]) -> None:
    handles = {}
    for name, (colour, marker) in look.items():
        data = f"{_base(board, name)}{' + Hessians' if marker == _HESSIANS else ''}"
        handles[data] = marker_handles({name: plain(data)}, {name: colour}, {name: marker})[0]
    legend_below(figure, list(handles.values()), most=4)


def leaderboard_panel(candidates: Sequence[Candidate], why_not: str, seed: int) -> Panel:
    """The section of a page with a study's potentials beside the packaged ones.

    Parameters
    ----------
    candidates : sequence of Candidate
        From :func:`softmode.leaderboard.beside.candidates_of_study`.
    why_not : str
        Why there are none.
    seed : int
        Of the bootstrap over materials.
    """
    title = "Beside the packaged leaderboard"
    if not candidates:
        nothing = f"Nothing is set beside it: {why_not}."
        return Panel("leaderboard", title, "", missing=(nothing,), chapter=CHAPTER)
    whole = [(one, standings(one, seed)) for one in candidates]
    charts = tuple(_chart(f"leaderboard_{at}", part, seed) for at, part in enumerate(_alike(candidates)))
    sources = distinct(f"{one.board.title}: {one.board.provenance['citation']}" for one in candidates)
    said = [standing_words(one.potential, stands, one.itself) for one, stands in whole if not one.itself]
    trained = distinct(text for one in candidates if (text := _trained_on_these(one.board)))
    if all(one.itself for one in candidates):
        said.append("All potentials of this study are packaged ones: each is set beside the others")
    said += [f"Trained on phonons of these very crystals: {text}" for text in trained]
    return Panel(
        "leaderboard",
        title,
        "Each potential of this study among those whose results come with softmode, on the materials that "
        "both have, with the same reference data, protocol and version of the measurement. Percentile: share "
        "of the packaged ones that are worse. A packaged potential is left out of its own comparison. "
        f"{' '.join(f'{each}.' for each in said)} References: {'; '.join(sources)}.",
        tables=(_standing_table(whole), _against_table(whole)),
        charts=charts,
        chapter=CHAPTER,
    )


def _trained_on_these(board: Board) -> str:
    """Packaged potentials that have seen the phonons of materials of a board, and of how many."""
    counts = zip(board.potentials, board.seen_counts, strict=True)
    return ", ".join(f"{name} ({n} of {len(board.materials)})" for name, n in counts if n)


def _standing_table(whole: Sequence[tuple[Candidate, list[Standing]]]) -> Table:
    rows: list[Row] = [
        (
            one.potential,
            one.board.key,
            stand.figure.label,
            group_name(stand.group),
            str(stand.n),
            interval(*stand.median),
            interval(*stand.rank, form=".0f"),
            str(stand.of),
            number(stand.percentile, form=".0f"),
            number(stand.best),
            number(stand.typical),
        )
        for one, stands in whole
        for stand in stands
    ]
    heads = (
        *("potential", "board", "figure", "group", "n", "median error, or share", "rank", "of", "percentile"),
        *("best packaged", "median packaged"),
    )
    note = (
        "Errors by their size, in the unit of their figure; of stability the share that is "
        "wrong. 95 % bootstrap intervals over materials from ten materials on."
    )
    return Table("leaderboard_standing", "Rank among the packaged potentials", heads, tuple(rows), note)


def _against_table(whole: Sequence[tuple[Candidate, list[Standing]]]) -> Table:
    compared = [(one, first, against) for one, (first, *_) in whole for against in first.against]
    corrected = holm([found.p_value for _, _, (_, found) in compared])
    rows: list[Row] = [
        (
            one.potential,
            one.board.key,
            first.figure.label,
            other,
            str(found.n),
            interval(*found.ratio),
            str(found.better),
            str(found.worse),
            probability(p),
        )
        for (one, first, (other, found)), p in zip(compared, corrected, strict=True)
    ]
    return Table(
        "leaderboard_paired",
        "Against each packaged potential on the same materials",
        ("potential", "board", "figure", "against", "n", "error over its", "better on", "worse on", "p"),
        tuple(rows),
        "Median of ratios material by material, with its 95 % interval from six on: below 1 this potential "
        "is better. p: sign test, corrected for all rows by Holm's method.",
    )


def _alike(candidates: Sequence[Candidate]) -> list[list[Candidate]]:
    """Candidates on the same materials of the same board, to be drawn together."""
    parts: dict[tuple[str, ...], list[Candidate]] = {}
    for one in candidates:
        materials = (row["material"] for row in one.board.materials)
        parts.setdefault((one.board.key, one.measurement, *materials), []).append(one)
    return list(parts.values())


def _chart(name: str, part: Sequence[Candidate], seed: int) -> Intervals:
    """Medians of the packaged potentials and of those of the study, the best on top."""
    board, by = part[0].board, RANKED_BY[part[0].measurement]
    packaged = {one.itself: one.potential for one in part if one.itself}
    rows = [
        IntervalRow(
            place.potential,
            *_bounds(place.medians[by.name]),
            potential=packaged.get(place.potential),
            strong=place.potential in packaged,
        )
        for place in ranked(board, by, seed)
    ]
    names = {row.label for row in rows}
    for one in part:
        if not one.itself and (stand := one.standing(by, seed=seed)) is not None:
            label = one.potential if one.potential not in names else f"{one.potential} (this study)"
            rows.append(IntervalRow(label, *_bounds(stand.median), potential=one.potential))
    n = len(board.materials)
    return Intervals(
        name=name,
        title=board.title,
        note="Filled: of this study." if any(not row.strong for row in rows) else "",
        axis=(
            f"{by.label}{': difference from DFT' if by.of_reference else ''}"
            f"{f', median of {n} materials' if n > 1 else ''}"
        ),
        rows=tuple(sorted(rows, key=lambda row: row.value)),
        log=by.measurement == HARMONIC,
    )


def _bounds(found: Estimate) -> tuple[float, float | None, float | None]:
    """An estimate, and its interval where it has one."""
    value, low, high = (float(part) for part in (found.value, found.low, found.high))
    return value, low if np.isfinite(low) else None, high if np.isfinite(high) else None
