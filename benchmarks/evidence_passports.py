"""Which verdicts and orders of potentials survive every choice of protocol: from studies of passports.

    python benchmarks/evidence_passports.py RUN… OUT
    python benchmarks/evidence_passports.py --lattices RUN
    python benchmarks/evidence_passports.py --draw DATA N

RUN are folders of studies with the measurement ``passport`` (``examples/cs2agbibr6_passport.toml``,
``passports.toml``); taken are potentials that all of them have. Prints the tables of
``docs/results/passports.md`` and writes ``verdicts.csv``, ``orders.csv`` and a picture into OUT. The second
form compares the two lattices of a study with ``structure = "both"`` (``examples/phonondb.toml``). The third
draws N double perovskites of the phonon database, as many of each halide as there are, at random with
seed 2026; a smaller draw is part of a larger one.

Orders are compared in the ways that all potentials were measured in on all crystals: displacements of 0.003
to 0.05 Å, structure, symmetrisation, symmetry tolerance, points of the path and of the mesh, one at a time
or combined as in a passport.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

import softmode as sm
from softmode.datasets import Selection, open_dataset, select
from softmode.harmonic.protocol import HarmonicProtocol
from softmode.measurements.passport.orders import (
    ERROR,
    SOFTENING,
    common_ways,
    medians,
    orders,
    ranks,
    ways_table,
)
from softmode.statistics.bootstrap import bootstrap_over
from softmode.structures.labels import Label, balanced_draw, compound_key
from softmode.style import (
    PALETTE,
    REFERENCE_COLOUR,
    figure_style,
    panel_grid,
    plain,
    plain_log,
    pretty_formula,
)

#: Potentials fine-tuned on Hessians, and the same before that.
PAIRS = {
    "nequix-oam-1-pft": "nequix-oam-1",
    "nequix-mp-1-pft": "nequix-mp-1",
    "nequix-mp-1-pft-nocotrain": "nequix-mp-1",
}
STABLE = HarmonicProtocol().imaginary_tolerance
NAMED = ("material", "formula", "potential")


def ranges_figure(ways: pd.DataFrame, potentials: Sequence[str], formulas: pd.Series) -> Figure:
    """Range of the error over all ways, and its value under the protocol, crystal by crystal.

    Parameters
    ----------
    ways : pandas.DataFrame
        From :func:`ways_table`.
    potentials : sequence of str
        From top to bottom.
    formulas : pandas.Series
        By crystal; in the order in which they are drawn.
    """
    with figure_style():
        size = 2.4, 1.4 + 0.2 * len(potentials)
        figure, panels = panel_grid(len(formulas), 4, size, (1.6, 0.2), sharey=True)
        for axes, (crystal, formula) in zip(panels, formulas.items(), strict=True):
            rows = ways[ways["crystal"] == crystal]
            errors = rows.groupby("potential")[ERROR].agg(["min", "max"]).reindex(potentials)
            own = rows[rows["protocol"]].set_index("potential")[ERROR].reindex(potentials)
            places = range(len(potentials))
            axes.hlines(places, errors["min"], errors["max"], color=PALETTE[1], linewidth=5)
            axes.plot(own, places, "o", color=REFERENCE_COLOUR, markersize=3.5)
            axes.set_xscale("log")
            plain_log(axes, "x")
            axes.set(title=pretty_formula(formula), xlabel="RMSE(ω²), THz²")
        panels[0].set_yticks(range(len(potentials)), [plain(name) for name in potentials])
        panels[0].set_ylim(len(potentials) - 0.5, -0.5)
        return figure


def draw(data: Path, n: int) -> None:
    """Print identifiers and formulas of the crystals drawn."""
    chosen = Selection(prototype="halide_double_perovskite")
    found = {
        entry.name: entry.load() for entry, _ in select(open_dataset("phonondb", data).entries(), chosen)
    }
    names = {compound_key(material.formula): name for name, material in found.items()}
    labels = [Label(material.formula, 0.0, compound_key(material.formula)) for material in found.values()]
    for label in balanced_draw(labels, n, 2026, lambda score: ""):
        print(f'"{names[label.key]}",  # {label.formula}')


def table(heads: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def verdict(stable: bool, agreeing: float, ways: float) -> str:
    """A word, and the count where it is not in all ways."""
    word = "stable" if stable else "unstable"
    return word if agreeing == ways else f"{word} {agreeing:.0f}/{ways:.0f}"


def verdicts(cells: pd.DataFrame) -> str:
    """What each potential says of each crystal, and in how many ways; one row for each potential."""
    counts = ["stable", "agreeing", "ways"]
    crystals = cells["formula"].unique().tolist()
    of_dft = cells.drop_duplicates("formula")["passport_reference_stable"]
    rows = [["DFT", *(verdict(stable, 1, 1) for stable in of_dft)]]
    for potential, own in cells.groupby("potential", sort=False):
        said = own.set_index("formula").loc[crystals, [f"passport_{name}" for name in counts]]
        rows.append([plain(potential), *(verdict(*values) for values in said.itertuples(index=False))])
    return table(["potential", *crystals], rows)


def claims(cells: pd.DataFrame, ways: pd.DataFrame, found: pd.DataFrame) -> str:
    """Conclusions, and in how many ways each holds."""
    error = medians(ways)
    n, pairs, sure = len(error), len(found), cells["passport_agreeing"] == cells["passport_ways"]
    right = cells["passport_stable"] == cells["passport_reference_stable"]
    lattice = ways.drop_duplicates("way").set_index("way")["structure"]
    always, relaxed = found["same"] == found["ways"], found["same_reference"] == found["ways_reference"]
    rows = [
        ["a verdict of stability is the same in all ways", f"{sure.sum()} of {len(cells)}"],
        [
            "… and it is DFT's",
            f"{(sure & right).sum()}; without it {(~sure & right).sum()} of {(~sure).sum()}",
        ],
        [f"the order of two potentials is the same in all {n} ways", f"{always.sum()} of {pairs} pairs"],
        ["… in all ways at the reference's lattice", f"{relaxed.sum()} of {pairs} pairs"],
        ["… even when each is measured in another way", f"{found['apart'].sum()} of {pairs} pairs"],
    ]
    for trained, base in PAIRS.items():
        each = ways.pivot_table(index=["crystal", "way"], columns="potential", values=ERROR)
        if not {trained, base} <= set(each.columns):
            continue
        single = (each[trained] < each[base]).groupby("crystal").mean()
        holds = f"{(error[trained] < error[base]).sum()} of {n} ways; on {(single == 1.0).sum()} of "
        holds += f"{len(single)} crystals in all ways, on {(single == 0.0).sum()} in none"
        rows.append([f"RMSE(ω²) of {plain(trained)} is smaller than that of {plain(base)}", holds])
    soft = medians(ways, SOFTENING) < 1.0
    for name in ("reference", "relaxed"):
        own = soft[lattice.loc[soft.index] == name].all()
        others = ", ".join(plain(potential) for potential in own.index[~own])
        said = f"{own.sum()} of {len(own)} potentials" + (f"; not {others}" if others else "")
        rows.append([f"ω² is too small in all ways, {name} lattice", said])
    return table(["claim", "holds for"], rows)


def lattices(run: Path) -> None:
    """What of orders, training on Hessians, softness and verdicts is the same at both lattices."""
    cells = sm.open_study(run).cells
    cells = cells[cells[f"{ERROR}_at_own"].notna()]
    names = {"reference": "", "own": "_at_own"}
    error = {
        name: cells.pivot(index="material", columns="potential", values=ERROR + end)
        for name, end in names.items()
    }
    slope = {name: cells.groupby("potential")[SOFTENING + end].median() for name, end in names.items()}
    median = {name: values.median() for name, values in error.items()}
    rank = {name: values.rank().astype(int) for name, values in median.items()}
    rows = [
        [
            plain(potential),
            *(f"{median[name][potential]:.2f} ({rank[name][potential]})" for name in names),
            *(f"{slope[name][potential]:.2f}" for name in names),
        ]
        for potential in median["reference"].sort_values().index
    ]
    heads = ["potential", "RMSE(ω²), THz² (rank)", "own lattice", "slope of ω²", "own lattice"]
    print(f"{len(error['own'])} crystals\n\n{table(heads, rows)}\n")
    pairs = list(combinations(median["own"].index, 2))
    same = sum(
        (rank["own"][a] < rank["own"][b]) == (rank["reference"][a] < rank["reference"][b]) for a, b in pairs
    )
    rows = [
        [
            "the order of two potentials by the median is the same at both lattices",
            f"{same} of {len(pairs)} pairs",
        ]
    ]
    for trained, base in PAIRS.items():
        shares = []
        for values in error.values():
            better = (values[trained] < values[base]).to_numpy(float)
            [found] = bootstrap_over(better, lambda drawn: drawn.mean(axis=-2), 2026)
            shares.append(f"{100 * found.value:.0f} % [{100 * found.low:.0f}, {100 * found.high:.0f}]")
        claim = f"{plain(trained)} has a smaller RMSE(ω²) than {plain(base)}"
        rows.append([claim, f"{shares[0]} of crystals; own lattice {shares[1]}"])
    soft = {name: f"{(values < 1.0).sum()} of {len(values)}" for name, values in slope.items()}
    rows.append(
        ["ω² is too small in the median", f"{soft['reference']} potentials; own lattice {soft['own']}"]
    )
    stable = [cells[f"path_lowest_model_THz{end}"] >= -STABLE for end in names.values()]
    rows.append(
        ["a verdict is the same at both lattices", f"{(stable[0] == stable[1]).sum()} of {len(cells)}"]
    )
    within = cells["path_lowest_model_THz"].abs() < cells["noise_floor_model_THz"]
    count = f"{(~stable[0] & within).sum()} of {(~stable[0]).sum()}"
    rows.append(["an “unstable” is within the noise of the forces", count])
    print(table(["claim", "holds for"], rows))


def main(runs: list[Path], output: Path) -> None:
    """Tables to the screen, files into the folder."""
    studies = [sm.open_study(run) for run in runs]
    cells = pd.concat([study.cells for study in studies], ignore_index=True)
    crystals, cells = cells["material"].nunique(), cells[cells["state"] == "ok"]
    everywhere = cells.groupby("potential")["material"].nunique() == crystals
    cells = cells[cells["potential"].map(everywhere)]
    formulas = cells.drop_duplicates("material").set_index("material")["formula"]
    passports = [
        (crystal, potential, record)
        for study in studies
        for crystal, records in study.records("passport").items()
        for potential, record in records.items()
        if everywhere.get(potential, False)
    ]
    ways = ways_table(passports)
    shared = common_ways(ways)
    found, order = orders(shared), ranks(shared)
    output.mkdir(parents=True, exist_ok=True)
    kept = [name for name in cells if str(name).startswith("passport_") or name in NAMED]
    cells[kept].to_csv(output / "verdicts.csv", index=False, float_format="%.6g")
    found.to_csv(output / "orders.csv", index=False)
    ranges_figure(ways, list(order.index), formulas).savefig(output / "ranges.png", dpi=150)
    print(claims(cells, shared, found))
    rows = [
        [
            plain(str(name)),
            f"{row['error']:.2f} ({row['error_low']:.2f} … {row['error_high']:.2f})",
            f"{row['rank']:.0f} ({row['rank_low']:.0f}–{row['rank_high']:.0f})",
            f"{row['slope']:.2f} ({row['slope_low']:.2f} … {row['slope_high']:.2f})",
        ]
        for name, row in order.iterrows()
    ]
    print(f"\n{table(['potential', 'RMSE(ω²), THz²', 'rank', 'slope of ω²'], rows)}\n\n{verdicts(cells)}\n")
    lost = found[found["same"] < found["ways"]]
    rows = [
        [
            plain(row.better),
            plain(row.worse),
            f"{row.same_reference} of {row.ways_reference}",
            f"{row.same_relaxed} of {row.ways_relaxed}",
        ]
        for row in lost.itertuples()
    ]
    print(table(["better", "than", "at the reference's lattice", "at each potential's own"], rows))
    if "passport_class_verdict" in cells:
        known = cells[cells["passport_class_verdict"].notna()]
        heads = ["formula", "potential", "passport_class_verdict", "passport_verdict"]
        print(f"\n{table(heads, known[heads].to_numpy().tolist())}")


if __name__ == "__main__":
    if sys.argv[1] == "--lattices":
        lattices(Path(sys.argv[2]))
    elif sys.argv[1] == "--draw":
        draw(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main([Path(path) for path in sys.argv[1:-1]], Path(sys.argv[-1]))
