"""Is the Hessian to blame? The leaderboard of σ, and what errors of σ are made of, from studies.

    python benchmarks/evidence_sigma.py RUN… OUT

RUN are folders of studies with the measurement ``sigma`` (``examples/cs2agbibr6_sigma.toml``,
``cspbi3_sigma.toml``, ``srtio3.toml``, ``kcl_sigma.toml``). Prints the tables of
``docs/results/anharmonicity.md`` and writes ``leaderboard.csv`` and two pictures into OUT.

Intervals are of the mean over frames of the difference of both sides' σ(t), frame by frame, and ranks are
drawn with the frames of all potentials at once; in blocks, as long as the slowest of these differences
remembers. Where the reference's own σ has no interval, its frames being worth fewer than ten, nothing has.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import rankdata

import softmode as sm
from evidence_figures import sigma_parts
from softmode.records import Record
from softmode.statistics.bootstrap import bootstrap_over, drawn_blocks, percentile_interval
from softmode.statistics.correlated_means import correlated_mean, mean_with_interval
from softmode.statistics.rank_correlation import spearman
from softmode.style import colours, figure_style, markers, panel_grid, plain, potential_legend, pretty_formula

SEED, SAMPLES = 2026, 4000
#: Potentials fine-tuned on Hessians, and the same before that.
PAIRS = {
    "nequix-oam-1-pft": "nequix-oam-1",
    "nequix-mp-1-pft": "nequix-mp-1",
    "nequix-mp-1-pft-nocotrain": "nequix-mp-1",
}


def per_frame(record: Record) -> dict[str, np.ndarray]:
    """Differences of σ(t): the sum, its two parts, and that with the reference's force constants."""
    names = ("reference", "phi_ref", "phi_model", "phi_model_ref_forces")
    of_reference, with_reference, own, swapped = (record.arrays[f"sigma_t_{name}"] for name in names)
    return {
        "net": own - of_reference,
        "force": 0.5 * (with_reference - of_reference + own - swapped),
        "hessian": 0.5 * (swapped - of_reference + own - with_reference),
        "on_reference_phi": with_reference - of_reference,
    }


def rank_intervals(series: np.ndarray, runs: list[int]) -> np.ndarray:
    """Lowest and highest rank of each potential, of differences (n_potentials, n_frames)."""
    length = max(correlated_mean(own, runs).block_length for own in series)
    starts = drawn_blocks(runs, length, np.random.default_rng(SEED), SAMPLES)
    frames = (starts[:, :, None] + np.arange(length)).reshape(SAMPLES, -1)
    means = np.abs(series[:, frames].mean(axis=2))
    return np.array(percentile_interval(rankdata(means, axis=0).T))


def leaderboard(cells: pd.DataFrame, records: Mapping[str, Record]) -> pd.DataFrame:
    """One row for each potential on one crystal, the smallest difference first."""
    cells = cells.set_index("potential")
    differences = {potential: per_frame(record) for potential, record in records.items()}
    runs = next(iter(records.values())).arrays["run_lengths"].tolist()
    known = bool(cells["sigma_reference_interval_reliable"].iloc[0])
    rows = []
    for potential, found in differences.items():
        values = cells.loc[potential]
        row = {
            "crystal": values["formula"],
            "potential": potential,
            "n_frames": sum(runs),
            "sigma_reference": values["sigma_reference_mean_t"],
            "sigma_phi_ref": values["sigma_phi_ref_mean_t"],
            "sigma_phi_model": values["sigma_phi_model_mean_t"],
            "class_reference": values["sigma_reference_class"],
            "class_potential": values["sigma_phi_model_class"],
        }
        for name, series in found.items():
            row[name] = series.mean()
            if known:
                estimate = mean_with_interval(series, runs, seed=SEED)
                row |= {f"{name}_low": estimate.low, f"{name}_high": estimate.high}
        row["force_rmse_meV_per_A"] = 1000 * values["force_rmse_eV_per_A"]
        row["force_rmse_relative"] = values["force_rmse_eV_per_A"] / values["force_rms_reference_eV_per_A"]
        rows.append(row)
    table = pd.DataFrame(rows)
    table["rank"] = rankdata(table["net"].abs(), method="min").astype(int)
    table["rank_of_forces"] = rankdata(table["force_rmse_relative"], method="min").astype(int)
    if known:
        low, high = rank_intervals(np.array([found["net"] for found in differences.values()]), runs)
        table = table.assign(rank_low=np.floor(low).astype(int), rank_high=np.ceil(high).astype(int))
    return table.sort_values("rank").reset_index(drop=True)


def number(row: Mapping[str, object], name: str) -> str:
    """A difference of σ with its interval."""
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    known = isinstance(low, float) and np.isfinite(low)
    return f"{row[name]:+.3f}" + (f" [{low:+.3f}, {high:+.3f}]" if known else "")


def markdown(table: pd.DataFrame) -> str:
    """The leaderboard of one crystal."""
    heads = ["rank", "potential", "σ", "σ − DFT's", "forces", "force constants", "class", "RMSE of forces"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for row in table.to_dict("records"):
        right = "right" if row["class_potential"] == row["class_reference"] else row["class_potential"]
        ranks = row.get("rank_low")
        place = f"{row['rank']}" + (f" ({ranks}–{row['rank_high']})" if ranks is not None else "")
        share = f"{row['force_rmse_meV_per_A']:.0f} meV/Å, {100 * row['force_rmse_relative']:.0f} %"
        parts = (number(row, name) for name in ("net", "force", "hessian"))
        rest = (f"{row['sigma_phi_model']:.3f}", *parts, right, f"{share} ({row['rank_of_forces']})")
        lines.append(f"| {place} | {plain(row['potential'])} | {' | '.join(rest)} |")
    return "\n".join(lines)


def agreement(table: pd.DataFrame) -> dict[str, str]:
    """Does a small difference of σ mean right forces? Spearman over potentials, bootstrap over potentials."""
    found = {}
    for name in ("net", "on_reference_phi"):
        pairs = np.column_stack([table[name].abs(), table["force_rmse_relative"]])
        statistic = lambda rows: spearman(rows[..., 0], rows[..., 1])[..., None]  # noqa: E731
        [estimate] = bootstrap_over(pairs, statistic, SEED)
        found[name] = f"{estimate.value:+.2f} [{estimate.low:+.2f}, {estimate.high:+.2f}]"
    return found


def summary(tables: Mapping[str, pd.DataFrame]) -> str:
    """One row for each crystal."""
    heads = ["crystal", "frames", "σ of DFT", "parts of opposite sign", "Hessian's part the larger"]
    heads += ["cancelled, median", "right class", "Spearman with forces: own Φ", "Φ of DFT"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for crystal, table in tables.items():
        n, force, hessian = len(table), table["force"], table["hessian"]
        cancelled = 1.0 - (force + hessian).abs() / (force.abs() + hessian.abs())
        says = agreement(table)
        cells = (
            crystal,
            f"{table['n_frames'].iloc[0]}",
            f"{table['sigma_reference'].iloc[0]:.3f}",
            f"{int((force * hessian < 0).sum())} of {n}",
            f"{int((hessian.abs() > force.abs()).sum())} of {n}",
            f"{100 * cancelled.median():.0f} %",
            f"{int((table['class_potential'] == table['class_reference']).sum())} of {n}",
            says["net"],
            says["on_reference_phi"],
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def trained_on_hessians(tables: Mapping[str, pd.DataFrame]) -> str:
    """What training on Hessians made of forces on these frames, and of the part of the force constants."""
    lines = ["| crystal | potential | RMSE of forces, meV/Å | part of forces | part of force constants |"]
    lines.append("|---|---|---|---|---|")
    for crystal, table in tables.items():
        of = table.set_index("potential")
        for trained, base in PAIRS.items():
            cells = (
                f"{of.loc[base, name]:{form}} → {of.loc[trained, name]:{form}}"
                for name, form in (("force_rmse_meV_per_A", ".0f"), ("force", "+.3f"), ("hessian", "+.3f"))
            )
            lines.append(f"| {crystal} | {base} → {trained} | {' | '.join(cells)} |")
    return "\n".join(lines)


def score_and_forces(tables: Mapping[str, pd.DataFrame], potentials: list[str]) -> Figure:
    """Size of the difference of σ against the error of forces, with either force constants."""
    colour, marker = colours(potentials), markers(potentials)
    with figure_style():
        figure, panels = panel_grid(len(tables), 4, (2.7, 2.6), (0.4, 0.9))
        for axes, (crystal, table) in zip(panels, tables.items(), strict=True):
            for row in table.itertuples():
                style = {"marker": marker[row.potential], "color": colour[row.potential], "linestyle": ""}
                error = 100 * row.force_rmse_relative
                axes.plot(error, abs(row.net), markerfacecolor="none", **style)
                axes.plot(error, abs(row.on_reference_phi), **style)
            axes.set_title(pretty_formula(crystal))
            axes.set_xlabel("RMSE of forces, %")
            axes.set_ylim(bottom=0)
            axes.set_xlim(left=0)
        panels[0].set_ylabel("size of σ, potential − DFT\n(open: own Φ; filled: Φ of DFT)", fontsize=9)
        potential_legend(figure, potentials)
        return figure


def main(runs: list[Path], output: Path) -> None:
    """Tables to the screen, files into the folder."""
    studies = [sm.open_study(run) for run in runs]
    cells = pd.concat([study.cells for study in studies], ignore_index=True)
    tables = {}
    for study in studies:
        [material] = study.cells["material"].unique()
        records = study.records("sigma", material)[material]
        tables[study.cells["formula"].iloc[0]] = leaderboard(study.cells, records)
    output.mkdir(parents=True, exist_ok=True)
    pd.concat(tables.values(), ignore_index=True).to_csv(
        output / "leaderboard.csv", index=False, float_format="%.6g"
    )
    sigma_parts(cells).savefig(output / "parts.png", dpi=150)
    potentials = cells["potential"].unique().tolist()
    score_and_forces(tables, potentials).savefig(output / "score_and_forces.png", dpi=150)
    print(f"{summary(tables)}\n\n{trained_on_hessians(tables)}")
    for crystal, table in tables.items():
        print(f"\n### {crystal}\n\n{markdown(table)}")


if __name__ == "__main__":
    main([Path(path) for path in sys.argv[1:-1]], Path(sys.argv[-1]))
