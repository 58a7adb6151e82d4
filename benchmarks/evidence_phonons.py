"""Tables and pictures of docs/results/phonons.md, from the run of examples/phonondb.toml.

    python benchmarks/evidence_phonons.py RUN OUT [--labels FOLDER]

Writes OUT/*.csv and OUT/*.png, and the tables of OUT.md between its marks ``<!-- table NAME -->`` and
``<!-- end -->``, from these CSV files alone (:func:`fill`). LABELS: hdp_sigma_300K.csv and
abx3_halide_sigma_300K.csv (Yang, Fan & Li 2022; Yang & Li 2022), without which there is no table of σ.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import mannwhitneyu

from softmode.panel import estimate, number, probability
from softmode.potentials.leakage import SEEN
from softmode.potentials.registry import find_entry
from softmode.statistics.bootstrap import bootstrap_median
from softmode.statistics.rank_correlation import correlations
from softmode.structures.labels import read_labels
from softmode.study.field_metrics import STABLE, field_metrics_table
from softmode.study.folder import Study, reopen_study
from softmode.study.paired import COMPARED_LABELS, STABILITY_F1, paired_table
from softmode.study.results import OK, SEEN_COLUMN, cell_table, numbers_in

SEED = 2026
HALIDES = ("F", "Cl", "Br", "I")
DOUBLE = "halide_double_perovskite"
PROTOTYPES = {DOUBLE: "A2BB′X6", "a2bx6": "A2BX6", "abx3": "ABX3", "rock_salt": "rock salt"}
#: The same potential without and with phonons (Hessians) in its training.
HESSIAN_PAIRS = (
    ("nequix-mp-1", "nequix-mp-1-pft"),
    ("nequix-mp-1", "nequix-mp-1-pft-nocotrain"),
    ("nequix-oam-1", "nequix-oam-1-pft"),
)
_MATPES, _RELEASE = "TensorNet-MatPES-{}", "-v2025.1-PES"
#: One thing changes in each of the first eight; then Hessians in place of OMat24, and beside it.
OTHER_PAIRS = {
    ("nequix-mp-1", "nequix-omat-1"): "data",
    ("nequix-mp-1", "nequix-oam-1"): "data",
    ("nequix-omat-1", "nequix-oam-1"): "data",
    ("chgnet", "7net-0"): "architecture",
    ("7net-0", "nequix-mp-1"): "architecture",
    ("7net-0", "7net-l3i5"): "size",
    ("7net-l3i5", "nequix-mp-1"): "architecture",
    (_MATPES.format("PBE"), _MATPES.format("r2SCAN")): "functional",
    ("nequix-omat-1", "nequix-mp-1-pft"): "Hessians for OMat24",
    ("nequix-omat-1", "nequix-oam-1-pft"): "Hessians too",
}
#: Errors of a potential on a crystal, by their short names.
ERRORS = {
    "w2": "path_rmse_w2_THz2",
    "relative": "relative",
    "rest": "path_rmse_w2_rest_THz2",
    "relative_rest": "relative_rest",
    "slope": "path_rmse_slope_THz2A",
    "vg": "path_rmse_vg_THzA",
    "w2_own": "path_rmse_w2_THz2_at_own",
    "rest_own": "path_rmse_w2_rest_THz2_at_own",
}
Rows = list[tuple[str, ...]]


# What the tables are made from


def cells_of(study: Study, labels: Path | None) -> pd.DataFrame:
    """Cells with a result, with errors relative to the reference's scale and published σ of DFT.

    ``relative``: RMSE(ω²) over the root mean square of the reference's ω², both on the band path.
    """
    cells = cell_table(study)
    unfinished = set(cells.loc[cells["state"] != OK, "potential"])
    if unfinished:
        print("left out, since crystals are lacking:", *sorted(unfinished))
    cells = cells[~cells["potential"].isin(unfinished)].copy()
    scale = {}
    for row in cells.drop_duplicates("material").itertuples():
        record = study.result(row.material, row.potential, "harmonic")
        assert record is not None
        scale[row.material] = np.sqrt(np.mean(record.arrays["frequencies_reference"] ** 4))
    cells["scale_THz2"] = cells["material"].map(scale)
    for name, of in (("relative", "w2"), ("relative_rest", "rest")):
        cells[name] = numbers_in(cells, ERRORS[of]) / cells["scale_THz2"]
    cells["seen"] = cells["material"].map(_seen(cells))
    cells["training"] = cells["potential"].map(training)
    cells["potential"] = cells["potential"].str.removesuffix(_RELEASE)
    cells["sigma_dft"] = cells["material"].map(_published(cells, labels)) if labels else np.nan
    return cells


def _seen(cells: pd.DataFrame) -> dict[str, str]:
    """Part of the split of the phonon fine-tuning by material; the three potentials share one."""
    tuned = cells[cells["potential"] == HESSIAN_PAIRS[2][1]]
    return dict(zip(tuned["material"], tuned[SEEN_COLUMN], strict=True))


def _published(cells: pd.DataFrame, folder: Path) -> dict[str, float]:
    tables = [read_labels(folder / f"{name}_sigma_300K.csv") for name in ("hdp", "abx3_halide")]
    found = {}
    for row in cells.drop_duplicates("material").itertuples():
        tags = {"site_A": row.site_A} if isinstance(row.site_A, str) else {}
        for table in tables if row.prototype in (DOUBLE, "abx3") else ():
            label = table.find(row.formula, tags)
            if label is not None:
                found[row.material] = label.sigma
    return found


def subsets(cells: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The crystals of the paper's kind, and all."""
    return {"58": cells[cells["prototype"] == DOUBLE], "143": cells}


def training(potential: str) -> str:
    """What a potential was trained on, in short."""
    entry = find_entry(potential)
    assert entry is not None
    data = entry.training_data.replace(", then ", ", ").replace(" + ", ", ")
    return f"{data.partition(', MDR')[0]}, Hessians" if entry.hessians else data


def spread(values: pd.Series) -> float:
    """Half the width of the middle two thirds: a standard deviation that outliers do not move."""
    low, high = np.quantile(values.dropna().to_numpy(float), [0.16, 0.84])
    return float(high - low) / 2.0


def _columns(values: pd.Series, name: str) -> dict[str, float]:
    return bootstrap_median(values.dropna().to_numpy(float), SEED).columns(name)


def _rho(first: pd.Series, second: pd.Series, name: str) -> dict[str, float]:
    both = pd.concat([first, second], axis=1).dropna().to_numpy(float)
    return correlations(both[:, 0], both[:, 1], SEED)[1].columns(name) | {f"{name}_n": len(both)}


def potentials_table(cells: pd.DataFrame) -> pd.DataFrame:
    """Medians of each potential over the double perovskites and over all, best first over all."""
    rows = []
    for subset, part in subsets(cells).items():
        field = field_metrics_table(part, SEED)
        field = field[field["materials"] == "all"].set_index("potential")
        for potential, own in part.groupby("potential", sort=False):
            row = {
                "subset": subset,
                "potential": potential,
                "training": training(str(potential)),
                "n": len(own),
            }
            for name, column in ERRORS.items():
                row |= _columns(own[column], name)
            row |= _columns(own["path_softening"], "scale") | {"scale_spread": spread(own["path_softening"])}
            stable = own[own[list(STABLE)].astype(bool).all(axis=1)]
            entropy = stable["mesh_entropy_difference_J_per_molK"]
            row |= _columns(entropy, "entropy_bias") | {
                "entropy_spread": spread(entropy),
                "stable": len(stable),
            }
            for name in ("accuracy", "f1"):
                for end in ("", "_low", "_high"):
                    row[f"{name}{end}"] = field.loc[potential, f"stability_{name}{end}"]
            rows.append(row)
    return pd.DataFrame(rows).sort_values(["subset", "w2"], kind="stable")


def lattice_table(cells: pd.DataFrame) -> pd.DataFrame:
    """The error of each potential at both lattices, and its parts."""
    names = {
        "ratio": "lattice_ratio_own",
        "moved": "path_lattice_scale",
        **{
            f"{short}_{at}": f"path_{long}_at_{at}"
            for short, long in (("w2", "rmse_w2_THz2"), ("scale", "softening"), ("rest", "rmse_w2_rest_THz2"))
            for at in ("reference", "own")
        },
    }
    rows = []
    for subset, part in subsets(cells.dropna(subset="lattice_ratio_own")).items():
        for potential, own in part.groupby("potential", sort=False):
            row = {"subset": subset, "potential": potential, "n": len(own)}
            for name, column in names.items():
                row |= _columns(own[column], name)
            rows.append(row)
    return pd.DataFrame(rows).sort_values(["subset", "rest_own"], kind="stable")


def halide_table(cells: pd.DataFrame) -> pd.DataFrame:
    """Medians by halide, and the rank correlation of the error with the place of the halide, F to I."""
    rows = []
    for subset, part in subsets(cells).items():
        for error in ("w2", "relative", "relative_rest", "slope", "vg"):
            for potential, own in part.groupby("potential", sort=False):
                of = own[own["group"].isin(HALIDES)]
                row = {"subset": subset, "error": error, "potential": potential}
                for halide in HALIDES:
                    values = of.loc[of["group"] == halide, ERRORS[error]]
                    row |= {halide: values.median(), f"{halide}_n": len(values)}
                place = of["group"].map(HALIDES.index)
                rows.append(row | _rho(place, of[ERRORS[error]], "rho"))
    return pd.DataFrame(rows)


def prototype_table(cells: pd.DataFrame) -> pd.DataFrame:
    """Medians by prototype, and the trend along the halides within each."""
    rows = []
    for error in ("w2", "relative", "relative_rest"):
        for potential, own in cells.groupby("potential", sort=False):
            for prototype, of in own[own["prototype"].isin(PROTOTYPES)].groupby("prototype", sort=False):
                row = {"error": error, "potential": potential, "prototype": prototype, "n": len(of)}
                row |= _columns(of[ERRORS[error]], "median")
                rows.append(row | _rho(of["group"].map(HALIDES.index), of[ERRORS[error]], "rho"))
    return pd.DataFrame(rows)


def sigma_table(cells: pd.DataFrame) -> pd.DataFrame:
    """Rank correlation of errors, and of the reference's lowest mode, with the published σ of DFT."""
    double = cells[cells["prototype"] == DOUBLE]
    parts = {
        "double perovskites": double,
        "their fluorides": double[double["group"] == "F"],
        "their chlorides": double[double["group"] == "Cl"],
        "with ABX3": cells,
        "with ABX3, fluorides": cells[cells["group"] == "F"],
    }
    rows = []
    for name, part in parts.items():
        for potential, own in part.groupby("potential", sort=False):
            row = {"crystals": name, "potential": potential, "n": int(own["sigma_dft"].notna().sum())}
            columns = {name: ERRORS[name] for name in ("w2", "relative", "relative_rest", "slope", "vg")}
            for error, column in {**columns, "lowest_mode": "mesh_lowest_reference_THz"}.items():
                found = _rho(own["sigma_dft"], own[column], error)
                row |= {key: value for key, value in found.items() if not key.endswith("_n")}
            rows.append(row)
    return pd.DataFrame(rows)


def hessian_table(cells: pd.DataFrame) -> pd.DataFrame:
    """The pairs without and with Hessians; also on crystals seen, and not seen, in the fine-tuning."""
    seen = cells["seen"].isin(SEEN)
    parts = {"all": cells, "seen": cells[seen], "unseen": cells[~seen]}
    return pd.concat(
        [paired_table(part, SEED, HESSIAN_PAIRS).assign(crystals=name) for name, part in parts.items()]
    )


def unseen_table(cells: pd.DataFrame) -> pd.DataFrame:
    """Whether Hessians help less on crystals that were not seen: log ratios of both kinds compared."""
    wide = {name: cells.pivot(index="material", columns="potential", values=ERRORS[name]) for name in ERRORS}
    seen = cells.drop_duplicates("material").set_index("material")["seen"].isin(SEEN)
    rows = []
    for first, second in HESSIAN_PAIRS:
        for name, table in wide.items():
            ratio = (table[second] / table[first]).dropna()
            known = seen.reindex(ratio.index).to_numpy(bool)
            test = mannwhitneyu(ratio[known], ratio[~known])
            row = {"first": first, "second": second, "error": name}
            row |= {"seen": ratio[known].median(), "unseen": ratio[~known].median()}
            rows.append(row | {"n_seen": known.sum(), "n_unseen": (~known).sum(), "p_value": test.pvalue})
    return pd.DataFrame(rows)


def data_table(cells: pd.DataFrame) -> pd.DataFrame:
    """Pairs in which one thing changes."""
    known = set(cells["potential"])
    return paired_table(cells, SEED, [pair for pair in OTHER_PAIRS if known.issuperset(pair)])


# How the page shows them


def _lines(frame: pd.DataFrame, columns: dict[str, Callable[[pd.Series], str]]) -> tuple[Sequence[str], Rows]:
    return tuple(columns), [tuple(show(row) for show in columns.values()) for _, row in frame.iterrows()]


def _text(name: str) -> Callable[[pd.Series], str]:
    return lambda row: str(row[name])


def _plain(name: str, digits: int = 3) -> Callable[[pd.Series], str]:
    return lambda row: number(float(row[name]), digits)


def _between(name: str, digits: int = 3) -> Callable[[pd.Series], str]:
    return lambda row: estimate(row, name, digits)


def show_potentials(folder: Path, subset: str) -> tuple[Sequence[str], Rows]:
    frame = read_table(folder, "potentials").query(f"subset == {subset}")
    return _lines(
        frame,
        {
            "potential": _text("potential"),
            "trained on": _text("training"),
            "RMSE(ω²), THz²": _between("w2"),
            "of the reference's ω², %": lambda row: number(100 * row["relative"]),
            "scale": lambda row: f"{row['scale']:.3f} ± {row['scale_spread']:.3f}",
            "rest, THz²": _between("rest"),
            "rest at its own lattice": _between("rest_own"),
            "RMSE(dω²/dq), THz²·Å": _between("slope"),
            "RMSE(v_g), THz·Å": _between("vg"),
            "F1 of stability": _between("f1"),
        },
    )


def show_halides(folder: Path) -> tuple[Sequence[str], Rows]:
    of = read_table(folder, "halides").set_index(["subset", "error", "potential"]).sort_index()
    rows: Rows = []
    for potential in ranked(folder, "143"):
        row = [potential]
        for error, factor in (("w2", 1), ("relative", 100)):
            found = of.loc[(143, error, potential)]
            row += [number(factor * found[halide], 3 if factor == 1 else 2) for halide in HALIDES]
            row += [estimate(of.loc[(subset, error, potential)], "rho", form="+.2f") for subset in (58, 143)]
        rows.append((*row, estimate(of.loc[(143, "relative_rest", potential)], "rho", form="+.2f")))
    counts = [f"{halide} ({of[f'{halide}_n'].loc[143].iloc[0]})" for halide in HALIDES]
    relative = [f"{halide}, %" for halide in HALIDES]
    heads = ("potential", *counts, "ρ, 58", "ρ, 143", *relative, "ρ, 58", "ρ, 143", "ρ, slope removed")
    return heads, rows


def show_prototypes(folder: Path) -> tuple[Sequence[str], Rows]:
    of = read_table(folder, "prototypes").set_index(["error", "prototype", "potential"]).sort_index()
    rows: Rows = []
    for potential in ranked(folder, "143"):
        row = [potential]
        for error, factor in (("w2", 1), ("relative", 100)):
            row += [
                number(factor * of.loc[(error, name, potential), "median"], 3 if factor == 1 else 2)
                for name in PROTOTYPES
            ]
        rows.append((*row, estimate(of.loc[("relative", "a2bx6", potential)], "rho", form="+.2f")))
    counts = [f"{title} ({of['n'].loc[('w2', name)].iloc[0]})" for name, title in PROTOTYPES.items()]
    return ("potential", *counts, *(f"{title}, %" for title in PROTOTYPES.values()), "ρ in A2BX6"), rows


def show_sigma(folder: Path) -> tuple[Sequence[str], Rows]:
    frame = read_table(folder, "sigma").set_index(["crystals", "potential"]).sort_index()
    heads = {"w2": "RMSE(ω²)", "relative": "relative", "slope": "RMSE(dω²/dq)", "vg": "RMSE(v_g)"}
    parts = {"double perovskites": "all", "their fluorides": "F"}
    rows: Rows = [
        (
            potential,
            *(
                estimate(frame.loc[(part, potential)], error, form="+.2f")
                for part in parts
                for error in heads
            ),
        )
        for potential in ranked(folder, "143")
    ]
    counts = {part: f"{short} {frame.loc[part]['n'].iloc[0]}" for part, short in parts.items()}
    return ("potential", *(f"{head}, {counts[part]}" for part in parts for head in heads.values())), rows


def show_lattice(folder: Path) -> tuple[Sequence[str], Rows]:
    def move(name: str) -> Callable[[pd.Series], str]:
        return lambda row: f"{number(row[f'{name}_reference'])} → {number(row[f'{name}_own'])}"

    return _lines(
        read_table(folder, "lattice").query("subset == 143"),
        {
            "potential": _text("potential"),
            "own lattice constant / reference's": _plain("ratio", 4),
            "ω² at its own lattice / at the reference's": _plain("moved"),
            "RMSE(ω²), THz²": move("w2"),
            "scale": move("scale"),
            "rest, THz²": move("rest"),
            "rest at its own lattice, interval": _between("rest_own"),
        },
    )


def _paired(frame: pd.DataFrame, error: str, pair: tuple[str, str]) -> str:
    """Median ratio (of stability: F1 of both); bold where beyond chance; on how many better : worse."""
    of = frame[(frame["error"] == error) & (frame["first"] == pair[0]) & (frame["second"] == pair[1])]
    if of.empty:
        return "–"
    found = of.iloc[0]
    both = " → ".join(number(found[f"median_{side}"]) for side in ("first", "second"))
    text = both if error == STABILITY_F1 else estimate(found, "ratio", 3)
    text = f"**{text}**" if found["p_holm"] < 0.05 else text
    return f"{text}; {found['better']} : {found['worse']}"


def show_hessians(folder: Path, crystals: str) -> tuple[Sequence[str], Rows]:
    frame = read_table(folder, "hessians")
    of = frame[frame["crystals"] == crystals]
    known = [name for name in COMPARED_LABELS if name in set(of["error"])]
    rows = [(COMPARED_LABELS[name], *(_paired(of, name, pair) for pair in HESSIAN_PAIRS)) for name in known]
    return ("error", *(" → ".join(pair) for pair in HESSIAN_PAIRS)), rows


def show_unseen(folder: Path) -> tuple[Sequence[str], Rows]:
    labels = {"w2": "RMSE(ω²)", "rest": "rest", "rest_own": "rest, own lattice", "slope": "RMSE(dω²/dq)"}
    frame = read_table(folder, "unseen")
    frame = frame[frame["error"].isin(labels)]
    n = f"({frame['n_seen'].iloc[0]})", f"({frame['n_unseen'].iloc[0]})"
    return _lines(
        frame,
        {
            "pair": lambda row: f"{row['first']} → {row['second']}",
            "error": lambda row: labels[row["error"]],
            f"ratio, seen {n[0]}": _plain("seen"),
            f"ratio, unseen {n[1]}": _plain("unseen"),
            "p": lambda row: probability(row["p_value"]),
        },
    )


def show_data(folder: Path) -> tuple[Sequence[str], Rows]:
    frame, shown = read_table(folder, "data"), ("w2", "w2_rest", "w2_own", "slope", "entropy", STABILITY_F1)
    rows = [
        (what, " → ".join(pair), *(_paired(frame, error, pair) for error in shown))
        for pair, what in OTHER_PAIRS.items()
        if ((frame["first"] == pair[0]) & (frame["second"] == pair[1])).any()
    ]
    return ("what changes", "pair", *(COMPARED_LABELS[name] for name in shown)), rows


TABLES: dict[str, Callable[[Path], tuple[Sequence[str], Rows]]] = {
    "potentials 58": lambda folder: show_potentials(folder, "58"),
    "potentials 143": lambda folder: show_potentials(folder, "143"),
    "halides": show_halides,
    "prototypes": show_prototypes,
    "sigma": show_sigma,
    "lattice": show_lattice,
    "hessians": lambda folder: show_hessians(folder, "all"),
    "hessians unseen": lambda folder: show_hessians(folder, "unseen"),
    "unseen": show_unseen,
    "data": show_data,
}
_BLOCK = re.compile(r"<!-- table (?P<name>[\w ]+) -->\n.*?<!-- end -->", re.DOTALL)


def read_table(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / f"{name}.csv", comment="#")


def ranked(folder: Path, subset: str) -> list[str]:
    return read_table(folder, "potentials").query(f"subset == {subset}")["potential"].tolist()


def fill(page: str, folder: Path) -> str:
    """A page with its tables made anew from the CSV files beside it."""

    def table(block: re.Match[str]) -> str:
        heads, rows = TABLES[block["name"]](folder)
        lines = [heads, ["---"] * len(heads), *rows]
        text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return f"<!-- table {block['name']} -->\n\n{text}\n\n<!-- end -->"

    return _BLOCK.sub(table, page)


CITATION = "# from A. Togo, phonon database (2018), CC BY 4.0"


def write_tables(cells: pd.DataFrame, folder: Path) -> None:
    """The CSV files."""
    tables = {
        "potentials": potentials_table(cells),
        "lattice": lattice_table(cells),
        "halides": halide_table(cells),
        "prototypes": prototype_table(cells),
        "sigma": sigma_table(cells),
        "hessians": hessian_table(cells),
        "unseen": unseen_table(cells),
        "data": data_table(cells),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        if len(table):
            text = table.to_csv(index=False, float_format="%.5g")
            (folder / f"{name}.csv").write_text(f"{CITATION}\n{text}", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--labels", type=Path)
    given = parser.parse_args()
    found = cells_of(reopen_study(given.run), given.labels)
    write_tables(found, given.out)
    from evidence_phonons_pictures import write_pictures  # beside this file; the tables do without

    write_pictures(found, given.out)
    page = given.out.with_suffix(".md")
    if page.exists():
        page.write_text(fill(page.read_text(encoding="utf-8"), given.out), encoding="utf-8")
