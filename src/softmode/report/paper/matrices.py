"""Figs. 2, 3 and 4: classes of dynamic stability by potential and reference, beside published ones."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from matplotlib.figure import Figure

from softmode.dynamics import sampled_temperature, thermostat_warning
from softmode.measurements.md.settings import NAMED_DYNAMICS, DynamicsSettings
from softmode.measurements.sampled import WAYS
from softmode.panel import NOTHING, PUBLISHED, Entry, Link, Panel, Picture, Row, Table, linked
from softmode.published import (
    published_confusion_matrices,
    published_model_only_shares,
    published_trajectories,
)
from softmode.report.paper.classes import Classified, classify_all
from softmode.report.paper.matrix_figures import comparison_figure, grid_figure, legend_figure
from softmode.report.paper.matrix_tables import (
    Beside,
    compared,
    counts_table,
    effects_table,
    per_cent,
    rows_table,
    tests_table,
)
from softmode.report.paper.missing import (
    halides_missing,
    listed,
    main_model_missing,
    measurement_missing,
    models_missing,
)
from softmode.report.paper.source import PaperData
from softmode.statistics.confusion import ConfusionMatrix, with_intervals
from softmode.study.sigma_results import COMPARED
from softmode.style import group_name, order_groups

_MODEL_ONLY = "model_only"


def fig2(data: PaperData) -> Panel:
    """What the blocks of a confusion matrix mean."""
    del data  # the same for every run
    return Panel(
        key="fig2",
        title="Fig. 2: what the blocks of a matrix mean",
        caption=(
            "Rows: class of the reference; columns: class by the potential; both by ⟨σ(t)⟩. On the "
            "diagonal both agree. Below it the potential calls a material more stable than the reference "
            "does, above it less. The colours are those of the matrices of Figs. 3 and 4, the paler the "
            "smaller the share of the row."
        ),
        pictures=(Picture("fig2", "Blocks of a confusion matrix", legend_figure),),
    )


def _columns(data: PaperData) -> dict[str, str]:
    """Labels of the run and names of absent models, the paper's first in its order, and how each is shown."""
    found: dict[str, str] = {}
    for model in data.models:
        own = [potential.label for potential in data.potentials if potential.paper_name == model.name]
        for label in own:
            found[label] = label if label == model.name else f"{label} ({model.name})"
        if not own:
            found[model.name] = model.name
    others = [potential.label for potential in data.potentials if not potential.paper_name]
    return found | {label: data.shown_as(label) for label in others}


def _sides(data: PaperData, found: Classified) -> list[Beside]:
    """All matrices of the run and of the paper, those of the same model together."""
    published = published_confusion_matrices()
    names = {potential.label: potential.paper_name for potential in data.potentials}
    return [
        Beside(
            approach=approach,
            label=label,
            shown=shown,
            run=found.matrices.get((approach, label, "")),
            published=published.get((approach, names.get(label, label))),
        )
        for approach in COMPARED
        for label, shown in _columns(data).items()
    ]


def fig3(data: PaperData) -> Panel:
    """Confusion matrices on the reference's frames, beside the published ones, with tests."""
    found = classify_all(data, "fig3_materials", COMPARED)
    sides = _sides(data, found)
    seed = data.study.settings.conditions.seed
    comparisons = compared(sides, seed)
    tables = [
        effects_table("fig3_effects", found, sides, comparisons, seed),
        counts_table("fig3_counts", found, sides),
    ]
    if comparisons:
        tables.insert(1, tests_table("fig3_tests", found, sides, comparisons))
        tables.insert(2, rows_table("fig3_rows", found, sides, comparisons))
    return Panel(
        key="fig3",
        title="Fig. 3: classes on the reference's configurations",
        caption=_fig3_caption(bool(comparisons)) + by_label_only(data),
        pictures=tuple(
            Picture(
                f"fig3_{approach}",
                f"Confusion matrices, {WAYS[approach]}",
                partial(_comparison, sides, approach, data),
            )
            for approach in COMPARED
        ),
        tables=tuple(tables),
        missing=(
            *models_missing(data),
            *measurement_missing(data, "sigma"),
            *halides_missing(data),
        ),
        lists=(found.listed,),
    )


def _comparison(sides: list[Beside], approach: str, data: PaperData) -> Figure:
    chosen = [side for side in sides if side.approach == approach]
    return comparison_figure(
        {side.label: side.run for side in chosen if side.run is not None},
        {side.label: side.published for side in chosen if side.published is not None},
        _columns(data),
    )


def by_label_only(data: PaperData) -> str:
    """One sentence where a potential is one of the paper's by its label alone, else nothing."""
    named = [
        f"{potential.label} ({potential.settings.name})"
        for potential in data.potentials
        if potential.paper_name and potential.by_label_only
    ]
    if not named:
        return ""
    return f" By the label alone taken for models of the paper: {listed(named)}."


def _fig3_caption(tested: bool) -> str:
    parts = [
        "Numbers of materials by class of the reference (rows) and of the potential (columns), with the "
        "force constants of the reference and of the potential. Above this run, in the middle the "
        "published matrices, below the differences of the shares of each row."
    ]
    if tested:
        parts.append(
            "Read the sizes of the differences first. Intervals and tests take the two sets of materials "
            "for independent samples. Where the run is on the paper's own compounds they are not: scatter "
            "between materials cancels, the tests are conservative, and any change of counts is a fact "
            "about the two calculations."
        )
    return " ".join([*parts, published_sums()])


def published_sums() -> str:
    """What the published matrices add up to, in words."""
    published = published_confusion_matrices()
    names = list(dict.fromkeys(model for _, model in published))
    sums = {name: published["phi_ref", name].n_materials for name in names}
    text = (
        f"The published matrices add up to {listed([f'{total} ({name})' for name, total in sums.items()])}"
        f" materials; the text speaks of {published_trajectories().n_valid} valid trajectories."
    )
    by_row = {key: matrix.counts.sum(axis=1).tolist() for key, matrix in published.items()}
    differing = [name for name in names if by_row["phi_ref", name] != by_row["phi_model", name]]
    text += (
        f" The sums of rows differ between the two approaches for {listed(differing)}."
        if differing
        else " The sums of rows, which are the reference's classes, are the same in both approaches"
    )
    if not differing:
        different = len({tuple(by_row["phi_ref", name]) for name in names}) > 1
        text += (
            ", but differ from model to model: these are not quite the same compounds." if different else "."
        )
    return text


def fig4(data: PaperData) -> Panel:
    """Confusion matrices of the potentials alone, overall and by halide."""
    present = set(data.cells["group"])
    groups = [group for group in order_groups(present) if len(present) > 1]
    found = classify_all(data, "fig4_materials", (_MODEL_ONLY,), (None, *groups))
    labels = [label for label in data.labels if (_MODEL_ONLY, label, "") in found.matrices]
    model, more, less = published_model_only_shares()
    return Panel(
        key="fig4",
        title="Fig. 4: classes by the potential alone",
        caption=(
            "Force constants, forces and configurations are those of the potential. (a) all materials, "
            f"(b) by halide. The paper prints counts in a picture only; in words it says of {model}: "
            f"{100 * more:.0f} % of the strong and unstable materials are called more stable, "
            f"{100 * less:.0f} % of the weak and strong ones less stable, mostly fluorides. A crystal that "
            f"the potential's own dynamics loses counts as unstable. {_same_as_fig3()} {_temperatures(data)}"
            f"{by_label_only(data)}"
        ),
        pictures=_fig4_pictures(data, found, labels, groups),
        tables=(_fig4_table(data, found, labels, groups),),
        missing=(
            *main_model_missing(data),
            *measurement_missing(data, _MODEL_ONLY, labels or [data.main_label]),
            *halides_missing(data),
        ),
        lists=(found.listed,) if labels else (),
    )


def _same_as_fig3() -> str:
    """How the printed shares compare with those of the published Fig. 3 of the same model."""
    model, _, _ = published_model_only_shares()
    matrix = published_confusion_matrices()["phi_model", model]
    return (
        "On the reference's configurations the paper's own Fig. 3 gives "
        f"{100 * matrix.called_more_stable():.1f} % and {100 * matrix.called_less_stable():.1f} % for the "
        "same model with its own force constants."
    )


def _temperatures(data: PaperData) -> str:
    """At which temperature the positions are behind the printed shares, and in the run."""
    printed = DynamicsSettings.model_validate(NAMED_DYNAMICS["yang2026"])
    own = thermostat_warning(data.study.settings.conditions.of(DynamicsSettings))
    return (
        f"The printed shares are by Andersen collisions of probability {printed.collision_probability:g} at "
        f"{printed.temperature:g} K; as ASE makes these, positions are at "
        f"{sampled_temperature(printed):.0f} K in a long run. "
        f"In this run: {own or 'positions are at the temperature that is set'}."
    )


def _fig4_pictures(
    data: PaperData, found: Classified, labels: list[str], groups: list[str]
) -> tuple[Picture, ...]:
    if not labels:
        return ()
    shown = {label: data.shown_as(label) for label in labels}

    def of(group: str) -> Mapping[str, ConfusionMatrix]:
        keys = {label: (_MODEL_ONLY, label, group) for label in labels}
        return {label: found.matrices[key] for label, key in keys.items() if key in found.matrices}

    pictures = [Picture("fig4a", "All materials", partial(grid_figure, {"all materials": of("")}, shown))]
    by_group = {group_name(group): of(group) for group in groups if of(group)}
    if by_group:
        pictures.append(Picture("fig4b", "By halide", partial(grid_figure, by_group, shown)))
    return tuple(pictures)


def _fig4_table(data: PaperData, found: Classified, labels: list[str], groups: list[str]) -> Table:
    model, more, less = published_model_only_shares()
    published = published_confusion_matrices()["phi_model", model]
    rows: list[Row] = []
    for label in labels:
        for group in ("", *groups):
            matrix = found.matrices.get((_MODEL_ONLY, label, group))
            if matrix is None:
                continue
            names = (data.shown_as(label), group_name(group) if group else "all")
            rows += _share_rows(matrix, names, found.wholes[_MODEL_ONLY, label, group], data)
    shares = (Entry(f"{100 * share:.0f}", PUBLISHED) for share in (more, less))
    rows.append((f"{model}, published", "all", NOTHING, NOTHING, NOTHING, *shares))
    rows += _share_rows(published, (f"{model}, published Fig. 3", "all"), PUBLISHED, data)
    return Table(
        name="fig4_shares",
        title="Shares called more and less stable",
        columns=(
            "potential",
            "materials",
            "n",
            "failed",
            "same class (%)",
            "called more stable (%)",
            "called less stable (%)",
        ),
        rows=tuple(rows),
        note=(
            "With 95 % bootstrap intervals over materials, and numbers of materials. More stable: of the "
            "strong and unstable; less stable: of the weak and strong. Without its counts the published "
            "figure has no interval. Published Fig. 3: on the reference's configurations, force constants "
            "of the model."
        ),
    )


def _share_rows(matrix: ConfusionMatrix, names: tuple[str, str], link: Link, data: PaperData) -> list[Row]:
    """A row over successes, and one with failures counted as wrong where there are any."""
    rows: list[Row] = []
    for as_wrong in (False, True) if matrix.n_failed else (False,):
        estimate = with_intervals(matrix, data.study.settings.conditions.seed, failures_as_wrong=as_wrong)
        n = matrix.n_materials - (0 if as_wrong else matrix.n_failed)
        wholes = (n, _sum(matrix, (1, 2), as_wrong), _sum(matrix, (0, 1), as_wrong))
        texts = []
        for found, whole in zip(
            (estimate.accuracy, estimate.called_more_stable, estimate.called_less_stable), wholes, strict=True
        ):
            part = "" if whole == 0 else f"; {round(found.value * whole)} of {whole}"
            texts.append(f"{per_cent(found)}{part}")
        shown = f"{names[0]}, failures counted as wrong" if as_wrong else names[0]
        rows.append((shown, names[1], *linked([str(n), str(matrix.n_failed), *texts], link)))
    return rows


def _sum(matrix: ConfusionMatrix, rows: tuple[int, ...], as_wrong: bool) -> int:
    chosen = list(rows)
    return int(matrix.counts[chosen].sum() + (matrix.failed[chosen].sum() if as_wrong else 0))
