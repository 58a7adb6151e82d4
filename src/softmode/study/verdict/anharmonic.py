"""What a study says of anharmonicity: σ beside the reference or labels, and crystals lost in dynamics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from softmode.anharmonic.classes import CLASSES, class_indices
from softmode.dynamics import thermostat_warning
from softmode.errors import SoftmodeError
from softmode.measurements.md import DynamicsSettings
from softmode.panel import estimate, number, signed
from softmode.statistics.confusion import kappas
from softmode.statistics.matrix_tests import holm
from softmode.statistics.paired import compare_paired, median_by_order, sign_test
from softmode.study.label_results import open_labels, with_labels
from softmode.study.paired import COMPARED_ERRORS, ComparedError
from softmode.study.results import OK, crystal_lost, done, numbers_in
from softmode.study.screening import LOSES, ways
from softmode.study.settings import StudySettings
from softmode.study.sigma_results import LOST, reference_sigma
from softmode.study.verdict.contest import Contest, contest
from softmode.study.verdict.leads import by_group, called, lead
from softmode.study.verdict.statement import (
    FEWEST,
    LEVEL,
    Statement,
    chance,
    counted,
    listed,
    measured,
    share,
    some,
)
from softmode.style import distinct

_SIGMA = COMPARED_ERRORS["sigma"]._replace(label="error of σ on the reference's frames")
_OWN = ComparedError(
    "error of σ in own dynamics", "sigma_model_only_mean_t", "sigma_reference_mean_t", "model_only"
)
#: Ways to σ of a potential alone, in a sentence.
WAYS = {
    "model_only": "dynamics",
    "staged": "modes, samples and short dynamics",
    "self_consistent": "self-consistent samples",
    "one_shot": "one-shot samples",
}


def of_anharmonicity(cells: pd.DataFrame, settings: StudySettings) -> Iterator[Statement]:
    """Statements on σ and dynamics.

    Parameters
    ----------
    cells : pandas.DataFrame
        From :func:`softmode.study.results.cell_table`.
    settings : StudySettings
        Of the study.
    """
    names = called(cells)
    if found := contest(cells, _SIGMA):
        yield from _beside_reference(cells, found, names)
    known = reference_sigma(cells)
    own = cells.assign(sigma_reference_mean_t=cells["material"].map(known)) if known else cells
    if known and (found := contest(own, _OWN)):
        few = found.n == 1
        yield _one_alone(own, found, names) if few else lead(found, "dynamics", "dynamics", names)
    yield from _of_labels(cells, settings, names)
    yield from _alone(cells, settings)
    yield from _lost(cells, settings)


def _one_alone(cells: pd.DataFrame, found: Contest, names: dict[str, str]) -> Statement:
    """σ of one material in potentials' own dynamics, less that of the reference."""
    material = found.materials[0]
    rows = done(cells[cells["material"] == material], "model_only").set_index("potential")
    known = [name for name in found.order if name in rows.index]
    errors = [float(rows.loc[name, _OWN.column] - rows.loc[name, _OWN.less]) for name in known]
    said = [f"{signed(error)} by {name}" for name, error in zip(known, errors, strict=True)]
    text = f"σ of {names[material]} in own dynamics less that of the reference: {some(said)}."
    return Statement("dynamics", text, materials=(material,), panel="dynamics")


# Beside the reference


def _beside_reference(cells: pd.DataFrame, found: Contest, names: dict[str, str]) -> Iterator[Statement]:
    if found.n == 1:
        yield _one_material(cells, found, names)
        return
    yield lead(found, "anharmonicity", "sigma", names)
    if found.n < FEWEST:
        return
    yield from by_group(cells, _SIGMA, "anharmonicity", "sigma", names)
    yield from _bias(cells, found)
    rows = cells[cells["material"].isin(found.materials)]
    of_reference = reference_sigma(rows)
    truth = class_indices([of_reference[name] for name in found.materials])
    own = {
        name: _series(rows, name, "sigma_phi_model_mean_t").reindex(list(found.materials)).to_numpy(float)
        for name in found.order
    }
    yield _classes("the reference's", truth, own, "classes")


def _one_material(cells: pd.DataFrame, found: Contest, names: dict[str, str]) -> Statement:
    """σ of one material, by the reference and by potentials."""
    material = found.materials[0]
    rows = done(cells[cells["material"] == material], "sigma").set_index("potential")
    first = rows.iloc[0]
    reference = estimate(first, "sigma_reference_mean_t", form=".3f")
    by_name = {
        name: float(rows.loc[name, "sigma_phi_model_mean_t"]) for name in found.order if name in rows.index
    }
    nearest, *others = by_name
    shown = _with_parts(rows.loc[nearest], nearest)
    if others:
        last = _with_parts(rows.loc[others[-1]], others[-1])
        shown = f"{shown}, {last}" if len(others) == 1 else f"nearest {shown}, farthest {last}"
    of_reference = str(first["sigma_reference_class"])
    same = [name for name in by_name if rows.loc[name, "sigma_phi_model_class"] == of_reference]
    agree = "" if len(by_name) == 1 else f", {len(same)} of {counted(len(by_name), 'potential')} say the same"
    frames = f"{int(first['sigma_n_frames'])} frames"
    sure = "" if "[" in reference else ", too few for an interval"
    return Statement(
        "anharmonicity",
        f"σ of {names[material]} on the reference's {frames}{sure}: {reference} by the reference "
        f"({of_reference}{agree}); with Φ, the force constants, of the potential: {shown}.",
        materials=(material,),
        panel="sigma",
    )


def _with_parts(row: pd.Series, name: str) -> str:
    """σ of a potential on one material; what forces and Φ make of its error, where they cancel is said."""
    text = f"{number(float(row['sigma_phi_model_mean_t']), form='.3f')} by {name}"
    parts = [row.get(f"sigma_{part}_error") for part in ("force", "hessian")]
    if any(part is None or pd.isna(part) for part in parts):
        return text
    forces, constants = map(float, parts)
    cancel = abs(forces + constants) < 0.25 * max(abs(forces), abs(constants))
    by = "by cancellation: " if cancel else "error: "
    return f"{text} ({by}forces {signed(forces)}, Φ {signed(constants)})"


def _series(rows: pd.DataFrame, potential: str, column: str) -> pd.Series:
    own = rows[rows["potential"] == potential]
    return pd.Series(numbers_in(own, column), index=own["material"])


def _bias(cells: pd.DataFrame, found: Contest) -> Iterator[Statement]:
    """Whether potentials make crystals too anharmonic, or too harmonic."""
    sides: dict[str, list[str]] = {"too large": [], "too small": [], "neither": []}
    differences = {}
    for name in found.order:
        rows = done(cells[cells["potential"] == name], "sigma")
        values = numbers_in(rows, _SIGMA.column) - numbers_in(rows, _SIGMA.less)
        differences[name] = values[np.isfinite(values)]
    p_values = holm([sign_test(int((v < 0.0).sum()), int((v > 0.0).sum())) for v in differences.values()])
    for (name, values), p in zip(differences.items(), p_values, strict=True):
        above = int((values > 0.0).sum())
        side = "neither" if not p < LEVEL else "too large" if 2 * above > len(values) else "too small"
        part = f"above on {above} of {len(values)}"
        sides[side].append(f"{name} {measured(median_by_order(values))}, {part}")
    said = [f"{side}: {some(each)}" for side, each in sides.items() if each]
    text = f"σ of the potential less that of the reference (median of the materials): {'; '.join(said)}."
    yield Statement("bias", text, panel="sigma")


def _classes(
    whose: str,
    truth: NDArray[np.int64],
    own: Mapping[str, NDArray[np.float64]],
    panel: str,
    topic: str = "anharmonicity",
) -> Statement:
    """How often potentials give the right class; one without σ is wrong."""
    n = len(truth)
    counts = np.bincount(truth, minlength=len(CLASSES))
    commonest = int(counts.argmax())
    right, kappa, errs = {}, {}, {}
    for name, values in own.items():
        known = np.isfinite(values)
        called_ = np.full(n, len(CLASSES))
        called_[known] = class_indices(values[known])
        right[name] = called_ == truth
        errs[name] = int((called_ < truth).sum()), int(((called_ > truth) & known).sum())
        table = np.zeros((len(CLASSES), len(CLASSES) + 1))
        np.add.at(table, (truth, called_), 1.0)
        kappa[name] = float(kappas(table))
    order = sorted(right, key=lambda name: -int(right[name].sum()))
    base = truth == commonest
    tests = {name: compare_paired(1.0 - base, 1.0 - right[name]) for name in order}
    p_values = dict(
        zip(tests, holm([np.nan_to_num(t.p_value, nan=1.0) for t in tests.values()]), strict=True)
    )
    better = [name for name in order if p_values[name] < LEVEL and tests[name].better > tests[name].worse]
    shown = [f"{name} on {share(int(right[name].sum()), n)}, κ = {number(kappa[name], 2)}" for name in order]
    text = (
        f"Class of σ (weak, strong, unstable) as {whose}: {some(shown)}; always saying "
        f"“{CLASSES[commonest]}” would be right on {int(counts[commonest])}"
    )
    stabler, less = errs[order[0]]
    wrong = f". {order[0]} errs towards stable on {stabler}, towards unstable on {less}"
    if int(counts[commonest]) == n:
        text += ": one class only tells nothing"
    elif better:
        text += f". Better than that beyond chance: {some(better)}"
    else:
        text += f". Better than that beyond chance: nobody (smallest {chance(min(p_values.values()))})"
    return Statement(topic, f"{text}{wrong}.", panel=panel)


# Alone, and beside labels


def _of_labels(cells: pd.DataFrame, settings: StudySettings, names: dict[str, str]) -> Iterator[Statement]:
    """Classes and σ of potentials alone beside published ones."""
    measured_ways = ways(cells)
    if settings.labels is None or not measured_ways:
        return
    try:
        labels = open_labels(settings.labels)
    except (SoftmodeError, OSError) as error:
        yield Statement("reference", f"The labels of the study cannot be read: {error}")
        return
    known = with_labels(cells, labels)
    if known.empty:
        yield Statement(
            "reference", f"None of the compounds is among the labels of {settings.labels.path.name}."
        )
        return
    way = measured_ways[0]
    rows = known[known[f"{way}_state"] != "pending"]
    model = numbers_in(rows, f"sigma_{way}_mean_t")
    lost = LOSES[way](rows) if way in LOSES else np.zeros(len(rows), bool)
    rows = rows.assign(_model=np.where(lost, np.fmax(model, LOST), model))
    as_lost = ", lost crystals as σ = 2 at least," if lost.any() else ""
    compared = ComparedError(f"|σ − label| by {WAYS[way]}{as_lost}", "_model", "label", way)
    found = contest(rows, compared)
    if found is None:
        return
    if found.n >= FEWEST:
        label = rows.drop_duplicates("material").set_index("material")["label"]
        truth = class_indices(label.loc[list(found.materials)].to_numpy(float))
        own = {
            name: _series(rows, name, "_model").reindex(list(found.materials)).to_numpy(float)
            for name in found.order
        }
        yield _classes("the labels'", truth, own, "labels")
    yield lead(found, "anharmonicity", "labels", names)
    yield from by_group(rows, compared, "anharmonicity", "labels", names)


def _alone(cells: pd.DataFrame, settings: StudySettings) -> Iterator[Statement]:
    """What potentials alone say of the compounds, and whether they say the same."""
    measured_ways = ways(cells)
    if not measured_ways or reference_sigma(cells):
        return
    way = measured_ways[0]
    said, classes = [], {}
    for name in distinct(cells["potential"]):
        rows = done(cells[cells["potential"] == name], way)
        values = pd.Series(numbers_in(rows, f"sigma_{way}_mean_t"), index=rows["material"])
        if way in LOSES:
            lost = LOSES[way](rows)
            values = values.where(~lost, np.fmax(values, LOST))
        values = values.dropna()
        if values.empty:
            continue
        classes[name] = pd.Series(class_indices(values.to_numpy(float)), index=values.index)
        counts = Counter(classes[name])
        parts = [f"{counts[at]} {label}" for at, label in enumerate(CLASSES) if counts[at]]
        said.append(f"{name} calls {listed(parts)}")
    if not said:
        return
    text = f"Of {counted(cells['material'].nunique(), 'compound')}, by {WAYS[way]}, {'; '.join(said[:4])}."
    if len(classes) > 1:
        together = pd.DataFrame(classes).dropna()
        same = int((together.nunique(axis=1) == 1).sum())
        text += f" All {len(classes)} agree on {same} of {len(together)}."
    if settings.labels is None:
        text += " Nothing here says who is right: no reference data, no labels."
    yield Statement("anharmonicity", text, panel="screening")


# Dynamics


def _lost(cells: pd.DataFrame, settings: StudySettings) -> Iterator[Statement]:
    """Crystals lost in the potentials' own dynamics, and whether the thermostat kept to its temperature."""
    if "model_only_state" not in cells:
        return
    rows = cells[cells["model_only_state"] == OK]
    if rows.empty:
        return
    names = called(cells)
    lost = rows[crystal_lost(rows)]
    said = []
    if lost.empty:
        of = counted(len(rows), "cell")
        text = f"No crystal was lost, or left its phase, in the potentials' own dynamics ({of})."
    for name, own in rows.groupby("potential", sort=False):
        gone = list(lost.loc[lost["potential"] == name, "material"])
        which = f" ({some([names[each] for each in gone])})" if gone else ""
        said.append(f"{name} in {len(gone)} of {len(own)}{which}")
    if len(lost):
        text = f"In their own dynamics crystals were lost, or left their phase: {some(said, 4)}."
    doubtful = int((rows["md_warnings"].fillna("[]") != "[]").sum()) if "md_warnings" in rows else 0
    if doubtful:
        carry = "carries" if doubtful == 1 else "carry"
        text += (
            f" {doubtful} of {counted(len(rows), 'cell')} {carry} warnings: not in equilibrium, too few "
            "independent frames or another temperature."
        )
    warning = thermostat_warning(settings.conditions.of(DynamicsSettings))
    text += f" {warning}." if warning else ""
    yield Statement("dynamics", text, materials=tuple(distinct(lost["material"])), panel="dynamics")
