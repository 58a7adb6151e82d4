"""``softmode leaderboard``: how published potentials do on published references, from packaged tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from softmode.cli.console import broken, out, print_json, remark, say
from softmode.errors import SettingsError
from softmode.files import write_atomically
from softmode.leaderboard.boards import (
    ALL,
    BY_NAME,
    RANKED_BY,
    SIGMA,
    Board,
    Figure,
    csv_of,
    packaged,
    read_boards,
)
from softmode.leaderboard.ranks import Place, ranked
from softmode.panel import NOTHING, interval, number
from softmode.style import group_name, order_groups

#: Fewer materials of a group are not ranked.
_FEWEST = 3
_NAME_WIDTH = 17
#: So many figures stand side by side, so that none is cut in a terminal of 80 characters.
_IN_A_ROW = 4
#: How heads of columns are broken into lines.
_SHORTER = (
    *((" (", "("), ("(", "\n("), (", ", "\n"), (" as", "\nas")),
    *(("difference", "diff."), ("slope of", "slope\nof")),
)


def leaderboard(
    only: Annotated[
        str,
        typer.Option(help="A group or prototype: F, Cl, Br, I, halide_double_perovskite, …."),
    ] = ALL,
    unseen: Annotated[
        bool,
        typer.Option("--unseen", help="Only crystals whose phonons no potential was trained on."),
    ] = False,
    figures: Annotated[bool, typer.Option("--all", help="All figures, thermodynamics among them.")] = False,
    plot: Annotated[
        Path | None, typer.Option(help="Draw it to this file (.png, .pdf, .svg).", show_default=False)
    ] = None,
    as_csv: Annotated[
        Path | None, typer.Option("--csv", help="Write the ranked table to this file.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of a leaderboard; the packaged one when not given.", show_default=False),
    ] = None,
    make: Annotated[
        list[Path] | None,
        typer.Option(
            help="Make the tables from the folder of a study instead; may be given several times.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="With --make: the folder to write them to.", show_default=False)
    ] = None,
    sources: Annotated[
        Path | None,
        typer.Option(help="With --make: TOML file with title, citation and licence of each run."),
    ] = None,
) -> None:
    """Rank published potentials by their phonons and anharmonicity on published DFT references."""
    if make:
        _make(make, output, sources)
        return
    boards = packaged() if data is None else read_boards(data)
    parts = (board.in_group(only) for board in boards)
    boards = tuple(part for board in parts if (part := board.unseen() if unseen else board).materials)
    if not boards:
        raise SettingsError(
            f"--only {only}", "no crystal is left", "`softmode leaderboard --json` lists groups"
        )
    if plot is not None:
        from softmode.cli.options import check_picture, save_picture
        from softmode.report.leaderboard import leaderboard_figure

        check_picture(plot, [""])
        save_picture(leaderboard_figure(boards), plot)
    rows = [row for board in boards for row in _rows(board)] if as_csv or as_json else []
    if as_csv is not None:
        write_atomically(as_csv, csv_of(rows).encode())
        say("table", as_csv)
    if as_json:
        print_json({"boards": {board.key: board.provenance for board in boards}, "ranking": rows})
        return
    for board in boards:
        for measurement in board.measurements if len(board.materials) >= _FEWEST else ():
            _print_ranked(board, RANKED_BY[measurement], all_figures=figures)
    few = [board for board in boards if SIGMA in board.measurements and len(board.materials) < _FEWEST]
    _print_sigma([board.part([at]) for board in few for at in range(len(board.materials))])
    out.print("Where each number comes from: softmode leaderboard --json; docs/leaderboard.md", markup=False)


def _make(runs: Sequence[Path], output: Path | None, sources: Path | None) -> None:
    from softmode.leaderboard.make import make_leaderboard

    if output is None:
        raise SettingsError("--make", "there is no folder to write to", "Give --output FOLDER")
    for sentence in make_leaderboard(runs, output, sources):
        remark(sentence)
    say("tables", output)


def _rows(board: Board) -> Iterator[dict[str, Any]]:
    """Ranked potentials of a board, overall and by group, flat."""
    groups = [ALL, *order_groups(board.groups)] if len(board.groups) > 1 else [ALL]
    for measurement in board.measurements:
        by = RANKED_BY[measurement]
        for group in groups:
            for place in ranked(board.in_group(group), by):
                row: dict[str, Any] = {
                    "board": board.key,
                    "measurement": measurement,
                    "group": group,
                    "potential": place.potential,
                    "n": place.n,
                    "failed": place.failed,
                    "phonons_seen": place.seen,
                    **place.rank.columns("rank"),
                }
                for name, found in place.medians.items():
                    row |= found.columns(name)
                yield row


def _print_ranked(board: Board, by: Figure, *, all_figures: bool) -> None:
    """Potentials by the median of an error over the crystals of a board, and that in each group."""
    places = ranked(board, by, in_full=False)
    _heading(board)
    shown = [figure for figure in board.figures if figure.measurement == by.measurement]
    if not all_figures:
        shown = [figure for figure in shown if not figure.name.startswith("mae")][:_IN_A_ROW]
    for at in range(0, len(shown), _IN_A_ROW):
        part = shown[at : at + _IN_A_ROW]
        table = _table("", "rank", "saw") if at == 0 else _table("")
        for figure in part:
            table.add_column(_head(figure.label), justify="right", no_wrap=True)
        for place in places:
            said = [] if at else [_rank(place), str(place.seen or "")]
            said += [_cell(place, figure.name, figure.share, alone=figure is not by) for figure in part]
            table.add_row(_name(place.potential), *said)
        out.print(table)
    out.print(
        "Medians over crystals with 95 % bootstrap intervals, differences by their size; failures count as "
        "wrong. saw: crystals whose phonons it was trained on, where a small error is no test. "
        f"Thermodynamics (--all) is of crystals that DFT finds stable. {_functionals(board)}",
        markup=False,
    )
    _print_groups(board, by, [place.potential for place in places])


def _print_groups(board: Board, by: Figure, potentials: Sequence[str]) -> None:
    """Median error and place in each group."""
    parts = {
        group: part
        for group in order_groups(board.groups)
        if len((part := board.in_group(group)).materials) >= _FEWEST
    }
    if len(parts) < 2:
        return
    table = _table(f"{by.label} (rank)")
    found = {}
    for group, part in parts.items():
        table.add_column(f"{group_name(group)}\n{len(part.materials)}", justify="right")
        found[group] = {place.potential: place for place in ranked(part, by, in_full=False)}
    for potential in potentials:
        own = [places[potential] for places in found.values()]
        texts = [f"{number(one.medians[by.name].value)} ({one.rank.value:.0f})" for one in own]
        table.add_row(_name(potential), *texts)
    out.print(table)


def _print_sigma(boards: Sequence[Board]) -> None:
    """σ of each potential on the frames of boards of one crystal, beside that of the reference."""
    if not boards:
        return
    out.print("\nσ on frames with DFT forces, and the rank by its error", markup=False, style="bold")
    table = _table("")
    for board in boards:
        table.add_column(board.title.replace(" near", "\nnear"), justify="right")
    reference = []
    for board in boards:
        row = board.materials[0]
        bounds = [
            float(text) if text else None
            for text in (row["sigma_reference_low"], row["sigma_reference_high"])
        ]
        reference.append(interval(float(row["sigma_reference"]), bounds[0], bounds[1], form=".3f"))
    table.add_row("DFT", *reference, style="bold")
    table.add_row("frames", *(board.materials[0]["n_frames"] for board in boards), style="dim")
    _add_values(table, boards, RANKED_BY[SIGMA], ".3f")
    table.add_row()
    table.add_row("RMSE of forces", *["meV/Å"] * len(boards), style="bold")
    _add_values(table, boards, BY_NAME["force_rmse_eV_per_A"], ".0f", scale=1000.0)
    out.print(table)
    out.print(
        "σ is by a potential's own force constants: their errors and those of forces may cancel, so that a "
        "rank by it means little without that by the error of forces. †: trained on phonons of this crystal.",
        markup=False,
    )
    for board in boards:
        if note := board.provenance.get("note"):
            out.print(f"{board.title}: {note}; {board.provenance['citation']}", markup=False, style="dim")


def _add_values(table: Table, boards: Sequence[Board], figure: Figure, form: str, scale: float = 1.0) -> None:
    """A row for each potential: its value on each board, and its rank."""
    places = [{one.potential: one for one in ranked(board, figure, in_full=False)} for board in boards]
    for potential in dict.fromkeys(name for board in boards for name in board.potentials):
        texts = [NOTHING] * len(boards)
        for at, (board, found) in enumerate(zip(boards, places, strict=True)):
            if potential in found:
                value = scale * board.values[figure.name][0, board.potentials.index(potential)]
                mark = "†" if found[potential].seen else ""
                texts[at] = f"{mark}{number(value, form=form)} ({found[potential].rank.value:.0f})"
        table.add_row(_name(potential), *texts)


def _functionals(board: Board) -> str:
    """Which functionals reference and training data are of: part of an error may be their difference."""
    levels: dict[str, list[str]] = {}
    for potential in board.potentials:
        levels.setdefault(str(board.about[potential]["level_of_theory"]), []).append(potential)
    most = max(levels, key=lambda level: len(levels[level]))
    others = (f"{', '.join(names)} on {level}" for level, names in levels.items() if level != most)
    trained = "; ".join([f"potentials are trained on {most}", *others])
    return f"The reference is {board.provenance['functional']}, {trained}: part of an error is that."


def _head(label: str) -> str:
    """The head of a column, on lines as short as may be."""
    for long, short in _SHORTER:
        label = label.replace(long, short)
    return label


def _heading(board: Board) -> None:
    said = board.provenance
    out.print(f"{board.title} ({said['functional']})", markup=False, style="bold")
    out.print(
        f"{len(board.materials)} crystals; {said['citation']}; {said['licence']}; protocol "
        f"{said['protocol']['name']}; {said['software']}, {said['made'][1]}",
        markup=False,
        style="dim",
    )


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left", no_wrap=True)
    return table


def _name(potential: str) -> Text:
    return Text(broken(potential, _NAME_WIDTH))


def _rank(place: Place) -> str:
    return interval(place.rank.value, place.rank.low, place.rank.high, form=".0f")


def _cell(place: Place, name: str, share: bool, *, alone: bool) -> str:
    found = place.medians[name]
    if share:
        return f"{100 * found.value:.0f} %"
    return number(found.value) if alone else interval(found.value, found.low, found.high)
