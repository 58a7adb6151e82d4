"""Classes of dynamic stability by potentials alone beside published labels: several runs side by side.

    python benchmarks/evidence_classes.py RUN[:LIST.txt][=NAME]… OUT

Each RUN is the folder of a study with labels (``softmode run`` or ``softmode screen``), whole or in part; the
name of the folder is the name of the run in tables. With a list only its compounds count, and only of
potentials that are done with all of them; their number is added to the name. NAME is what a run of dynamics
is called on the page and in pictures. Into OUT go

- ``classes.csv``: figures against the labels for each run, potential, way to σ and halide, with 95 %
  intervals over compounds; the paper's printed shares are its first row,
- ``pairs.csv``: each two potentials by one way, and each two runs or ways of one potential, on the compounds
  they share,
- ``compounds.csv``: label and σ of every compound; ``stability.csv``: classes right where the potential finds
  imaginary modes, and where not,
- ``dynamics.csv``, ``dynamics_ratios.csv``: runs of molecular dynamics side by side,
- ``tables.md``: the main figures of these as tables of a page,
- ``heat.csv``: how many labels would change their class if all σ were larger by a factor,
- pictures: ``shares``, ``confusion``, ``dynamics``; ``scatter_*``, ``reliability_*``, ``learnt_*`` of each.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from evidence_figures import confusion_figure, label_scatter, reliability_diagram, shares_figure
from softmode.anharmonic.classes import CLASSES, EDGES, class_indices
from softmode.files import file_name
from softmode.measurements.sampled import WAYS
from softmode.panel import estimate
from softmode.published import published_model_only_shares
from softmode.statistics.bootstrap import bootstrap_median
from softmode.structures.labels import Labels, compound_key
from softmode.study.folder import reopen_study
from softmode.study.label_pairs import paired
from softmode.study.label_results import Labelled, label_table, labelled, open_labels
from softmode.study.results import cell_table
from softmode.study.sigma_results import ALL
from softmode.style import SIGMA, colours, figure_style, group_name, legend_below, markers, square_from_zero

Run = tuple[str, Labelled]
SEED = 2026
DYNAMICS = "model_only"
#: By which heat may multiply σ: lowest-order anharmonic forces grow as T, forces as √T, so σ as √T.
_FACTORS = (1.02, 1.05, 1.1, 1.15, 1.2, 1.5**0.5)
_FEWEST = 20  # compounds of a halide that a page shows
_NO_SIGMA = 1.35  # where crystals without a σ are drawn


def read(given: str) -> tuple[Labels, pd.DataFrame, list[Run], str]:
    """The labels of a run, its cells that are wanted, all of them that have a label; what it is called."""
    given, _, shown = given.partition("=")
    path, _, chosen = given.partition(":")
    folder = Path(path)
    run = folder.name
    study = reopen_study(folder)
    if study.settings.labels is None:
        raise SystemExit(f"{folder} is a study without labels")
    labels = open_labels(study.settings.labels)
    cells = cell_table(study)
    if chosen:
        lines = Path(chosen).read_text(encoding="utf-8").splitlines()
        wanted = {compound_key(line) for line in lines if line and not line.startswith("#")}
        run = f"{run}_{len(wanted)}"
        done = {case.label: True for case in study.cases}
        for case in study.cases:
            if compound_key(case.material.formula) in wanted:
                done[case.label] &= study.settled(case)
        there = np.array([compound_key(formula) in wanted for formula in cells["formula"]], dtype=bool)
        cells = cells[there & cells["potential"].map(done).to_numpy(bool)]
    scores = labelled(cells, labels, SEED)
    return (
        labels,
        cells.assign(run=run),
        [(run, item) for item in scores if len(item.formulas)],
        shown or run,
    )


def name(run: Run, shown: Mapping[str, str]) -> str:
    """How a row is called."""
    folder, item = run
    way = shown[folder] if item.way == DYNAMICS else WAYS[item.way]
    return f"{item.potential}, {way}, {int((~item.failed).sum())}"


def classes(runs: Sequence[Run]) -> pd.DataFrame:
    """Figures against the labels, the printed shares first."""
    model, more, less = published_model_only_shares()
    printed = {"run": "published, Fig. 4", "potential": model, "way": DYNAMICS, "group": ALL}
    printed |= {"called_more_stable": more, "called_less_stable": less}
    tables = [label_table([item]).assign(run=folder) for folder, item in runs]
    found = pd.concat([pd.DataFrame([printed]), *tables], ignore_index=True)
    found["n"] = found["n"].astype("Int64")  # of the published shares not printed
    return found[["run", *(column for column in found if column != "run")]]


def pairs(runs: Sequence[Run]) -> pd.DataFrame:
    """Each two that share potential or way, over the compounds that both have."""
    rows = []
    for (first_run, first), (second_run, second) in combinations(overall(runs), 2):
        same_way = first.way == second.way
        other_run = first_run != second_run and DYNAMICS in (first.way, second.way)
        if (first.potential == second.potential and (other_run or not same_way)) or (
            same_way and first_run == second_run
        ):
            sides = {
                f"{side}_{key}": value
                for side, run, item in (("first", first_run, first), ("second", second_run, second))
                for key, value in (("run", run), ("potential", item.potential), ("way", item.way))
            }
            rows.append(sides | paired(first, second, SEED))
    return pd.DataFrame(rows)


def overall(runs: Sequence[Run]) -> list[Run]:
    """Without groups."""
    return [(folder, item) for folder, item in runs if item.group == ALL and np.isfinite(item.model).any()]


def compounds(runs: Sequence[Run], cells: pd.DataFrame) -> pd.DataFrame:
    """Label, σ and softest mode of every compound, and whether the crystal was lost or left its phase."""
    fields = {"formula": "formulas", "group": "groups"}
    fields |= {each: each for each in ("label", "model", "low", "high", "lost", "failed")}
    parts = []
    for folder, item in overall(runs):
        columns = {column: getattr(item, field) for column, field in fields.items()}
        parts.append(pd.DataFrame({"run": folder, "potential": item.potential, "way": item.way, **columns}))
    softest = cells[["run", "potential", "formula", "model_lowest_of_supercell_THz"]]
    return pd.concat(parts, ignore_index=True).merge(softest, how="left")


def by_stability(table: pd.DataFrame) -> pd.DataFrame:
    """How many classes are right where the potential finds imaginary modes, and where it finds none."""
    known = table[~table["failed"]]
    right = class_indices(known["model"]) == class_indices(known["label"])
    stable = known["model_lowest_of_supercell_THz"].astype(float) >= -0.1  # the sign of less is not known
    label = np.array(CLASSES)[class_indices(known["label"])]
    known = known.assign(right=right, modes=np.where(stable, "real", "imaginary"), label_class=label)
    counted = known.groupby(["run", "potential", "way", "modes", "label_class"], sort=False)["right"]
    return counted.agg(n="size", right="sum").reset_index()


def dynamics(table: pd.DataFrame) -> pd.DataFrame:
    """A row per compound and potential, σ and class by each run of molecular dynamics."""
    rows = table[table["way"] == DYNAMICS].copy()
    rows["class"] = np.where(
        rows["failed"], "failed", np.array(CLASSES)[class_indices(rows["model"].fillna(0.0))]
    )
    keys = ["potential", "group", "formula", "label"]
    wide = rows.pivot_table(index=keys, columns="run", values=["model", "class", "lost"], aggfunc="first")
    wide.columns = [f"{run}_{'sigma' if what == 'model' else what}" for what, run in wide.columns]
    return wide.reset_index()


def ratios(table: pd.DataFrame) -> pd.DataFrame:
    """Median ratio of σ between two runs of dynamics, over compounds that neither lost."""
    rows = table[(table["way"] == DYNAMICS) & ~table["failed"] & ~table["lost"]]
    found = []
    for potential, own in rows.groupby("potential", sort=False):
        by_run = own.pivot(index="formula", columns="run", values="model")
        for first, second in combinations(dict.fromkeys(own["run"]), 2):
            ratio = (by_run[second] / by_run[first]).dropna().to_numpy(float)
            of_what = {"potential": potential, "first_run": first, "second_run": second, "n": len(ratio)}
            found.append(of_what | bootstrap_median(ratio, SEED).columns("sigma_ratio"))
    return pd.DataFrame(found)


def dynamics_figure(table: pd.DataFrame, shown_as: Mapping[str, str]) -> Figure:
    """σ of each run of dynamics against that of the first; crystals that were lost at the edge."""
    rows = table[(table["way"] == DYNAMICS) & ~table["failed"]]
    shown = rows["model"].clip(upper=_NO_SIGMA).mask(rows["lost"], _NO_SIGMA)
    rows = rows.assign(shown=shown).pivot(index=["potential", "formula"], columns="run", values="shown")
    first, *others = dict.fromkeys(table.loc[table["way"] == DYNAMICS, "run"])
    colour, marker = colours(others), markers(others)
    with figure_style():
        figure = Figure(figsize=(4.6, 5.0))
        axes = figure.subplots()
        for run in others:
            looks: Any = {"color": colour[run], "markersize": 5, "alpha": 0.8, "linestyle": ""}
            axes.plot(rows[first], rows[run], marker[run], label=shown_as[run], **looks)
        square_from_zero(axes, 1.05 * _NO_SIGMA, EDGES)
        axes.set(xlabel=f"{SIGMA}, {shown_as[first]}", ylabel=f"{SIGMA}, other dynamics")
        legend_below(figure, axes.get_legend_handles_labels()[0], 3)
        return figure


def heated(labels: Labels) -> pd.DataFrame:
    """Shares called less stable by a potential right in everything, were all its σ larger by a factor."""
    label = np.array([each.sigma for each in labels.labels])
    reference = class_indices(label)
    rows = []
    for factor in _FACTORS:
        moved = class_indices(factor * label) > reference
        shares = {
            f"called_less_stable_of_{which}": moved[own].mean()
            for which, own in (
                ("weak", reference == 0),
                ("strong", reference == 1),
                ("weak_and_strong", reference < 2),
            )
        }
        rows.append({"sigma_ratio": factor, "n": len(label), **shares})
    return pd.DataFrame(rows)


def markdown(table: pd.DataFrame, columns: Mapping[str, str]) -> str:
    """Rows as a table of a page; columns by their heading, figures with their interval."""
    lines = [f"| {' | '.join(columns.values())} |", "|" + "---|" * len(columns)]
    for _, row in table.iterrows():
        cells = []
        for column in columns:
            number = isinstance(row[column], float)
            form = "+.2f" if column.endswith("_difference") else ".2g" if column == "p_right" else ".2f"
            cells.append(estimate(row, column, form=form) if number else str(row[column]))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def page(table: pd.DataFrame, beside: pd.DataFrame, shown_as: Mapping[str, str]) -> str:
    """Tables of a page: overall, by halide, paired."""
    rows = table[table["failures_as_wrong"] != True]  # noqa: E712
    enough = rows["n"].fillna(0) >= _FEWEST
    rows = rows.assign(
        group=rows["group"].map(group_name),
        way=rows["way"].map(WAYS).where(rows["way"] != DYNAMICS, rows["run"].replace(shown_as)),
        n=rows["n"].astype(object).where(rows["n"].notna(), "–"),
    )
    of = {"potential": "potential", "way": "way", "n": "n"}
    shares = {"accuracy": "accuracy", "kappa": "κ", "called_more_stable": "called more stable"}
    shares |= {"called_less_stable": "called less stable"}
    of_list = {"called_more_stable_of_list": "more stable, list"}
    of_list |= {"called_less_stable_of_list": "less stable, list"}
    errors = {"spearman": "Spearman ρ", "mae_sigma": "MAE of σ"}
    everything = rows["group"] == group_name(ALL)
    parts = [
        markdown(rows[everything], of | shares | of_list | errors),
        markdown(rows[~everything & enough], of | {"group": "halide"} | shares | errors),
    ]
    if len(beside):
        named = {}
        for side in ("first", "second"):
            way, run = beside[f"{side}_way"], beside[f"{side}_run"]
            shown = way.map(WAYS).where(way != DYNAMICS, run.replace(shown_as))
            named[side] = beside[f"{side}_potential"] + ", " + shown
        counts = {"n": "n", "only_first_right": "only first right", "only_second_right": "only second right"}
        changes = {f"{column}_difference": title for column, title in (shares | errors).items()}
        columns = {"first": "first", "second": "second", **counts, "p_right": "p", **changes}
        parts.append(markdown(beside.assign(**named), columns))
    return "\n".join(parts)


def main(given: Sequence[str], out: Path) -> None:
    """Write tables and pictures."""
    out.mkdir(parents=True, exist_ok=True)
    found = [read(each) for each in given]
    runs = [run for _, _, own, _ in found for run in own]
    shown_as = {run: shown for _, _, own, shown in found for run, _ in own}
    table, alone = classes(runs), overall(runs)
    every = compounds(runs, pd.concat([cells for _, cells, _, _ in found]))
    tables = {"classes": table, "pairs": pairs(runs), "compounds": every, "stability": by_stability(every)}
    names = [name(run, shown_as) for run in alone]
    overall_rows = [label_table([item]).iloc[:1] for _, item in alone]
    rows = pd.concat([row.assign(name=each) for row, each in zip(overall_rows, names, strict=True)])
    figures = {
        "shares": shares_figure(rows.reset_index(drop=True), published_model_only_shares()),
    }
    for kind, chosen in (
        ("confusion", [run for run in alone if run[1].way != DYNAMICS]),
        ("confusion_dynamics", [run for run in alone if run[1].way == DYNAMICS]),
    ):
        matrices = {
            (way := WAYS[run[1].way], name(run, shown_as).replace(f", {way},", ",")): (
                run[1].score.successes.confusion.matrix
            )
            for run in chosen
        }
        if matrices:
            figures[kind] = confusion_figure(matrices)
    if (every["way"] == DYNAMICS).any():
        tables |= {"dynamics": dynamics(every), "dynamics_ratios": ratios(every), "heat": heated(found[0][0])}
        figures["dynamics"] = dynamics_figure(every, shown_as)
    for folder, item in alone:
        suffix = file_name(folder, item.potential, item.way)
        figures[f"scatter_{suffix}"] = label_scatter(item)
        if item.score.n_with_probabilities:
            figures[f"reliability_{suffix}"] = reliability_diagram(item.score)
        if item.learnt_score.n_with_probabilities:
            figures[f"learnt_{suffix}"] = reliability_diagram(item.learnt_score)
    for label, content in tables.items():
        content.to_csv(out / f"{label}.csv", index=False, float_format="%.4g")
    (out / "tables.md").write_text(page(table, tables["pairs"], shown_as), encoding="utf-8")
    for label, figure in figures.items():
        with figure_style():
            figure.savefig(out / f"{label}.png", dpi=110)


if __name__ == "__main__":
    main(sys.argv[1:-1], Path(sys.argv[-1]))
