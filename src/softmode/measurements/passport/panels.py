"""What a page shows of passports: verdicts and margins of all cases, and whether orders survive."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from softmode.charts import Guide, IntervalRow, Intervals
from softmode.measurements.noise_floor import NOISE_FLOOR
from softmode.measurements.passport.orders import orders_panel
from softmode.measurements.results import Results
from softmode.panel import NOTHING, Entry, MaterialLink, Panel, Table, named

#: Figures that are drawn and printed, where they move.
SHOWN = {
    "lowest_model_THz": "lowest mode, THz",
    "sigma_phi_model_mean_t": "⟨σ(t)⟩, potential's forces and Φ",
    "path_rmse_w2_THz2": "RMSE(ω²), THz²",
    "path_mae_w2_THz2": "MAE(ω²), THz²",
    "path_softening": "slope of ω²",
    "path_rmse_slope_THz2A": "RMSE(dω²/dq), THz²·Å",
    "path_rmse_vg_THzA": "RMSE(v), THz·Å",
    "path_mae_vg_THzA": "MAE(v), THz·Å",
    "mesh_mean_frequency_model_THz": "mean frequency, THz",
    "mesh_entropy_model_J_per_molK": "entropy at 300 K, J/(mol K)",
    "mesh_free_energy_model_kJ_per_mol": "free energy at 300 K, kJ/mol",
}
#: Cases whose margins are drawn, the smallest first.
_MOST = 60


def panels(results: Results) -> Iterator[Panel]:
    """Verdicts and margins of all cases, and whether orders survive."""
    rows, chapter = results.rows, results.measurement.chapter
    yield Panel(
        "passport",
        "Passports: how sure figures and verdicts are",
        "The same phonons, made in many ways that should not matter: what moves the figures of a case "
        "stands on the page of its material. The verdict: stable without a mode below "
        f"−{results.conditions.protocol.imaginary_tolerance:g} THz. Its margin: how far the lowest mode is "
        "from that in the nearest way, negative where ways disagree; below the noise floor it says nothing.",
        tables=(_table(results, rows),),
        charts=_margins(rows),
        chapter=chapter,
    )
    passports = [
        (row.material, row.potential, results.record(row.material, row.potential))
        for row in rows.itertuples()
    ]
    formulas = rows.drop_duplicates("material").set_index("material")["formula"]
    if (panel := orders_panel(passports, formulas, chapter)) is not None:
        yield panel


def _margins(rows: pd.DataFrame) -> tuple[Intervals, ...]:
    """Margins case by case, the smallest first; filled where they are more than noise."""
    least = rows.dropna(subset=["passport_margin_THz"]).sort_values("passport_margin_THz", kind="stable")
    lines = tuple(
        IntervalRow(
            f"{named(row['material'], row['formula'])}, {row['potential']}",
            float(row["passport_margin_THz"]),
            potential=str(row["potential"]),
            strong=bool(row["passport_margin_THz"] > row[NOISE_FLOOR]),
        )
        for row in least.head(_MOST).to_dict("records")
    )
    left_out = f" The {_MOST} smallest of {len(least)}." if len(least) > _MOST else ""
    chart = Intervals(
        name="passport_margins",
        title="Margins of the verdict on harmonic stability",
        note=f"Filled: more than the noise floor.{left_out}",
        axis="margin, THz",
        rows=lines,
        guides=(Guide("x", 0.0, "ways disagree"),),
    )
    return (chart,) if len(lines) > 1 else ()


def _how_sure(margin: float, noise: float) -> str:
    return "depends on the way" if margin < 0.0 else "not resolved" if margin < noise else "sure"


def _table(results: Results, rows: pd.DataFrame) -> Table:
    lines = []
    for row in rows.to_dict("records"):
        link = results.link(row["material"], row["potential"])
        numbers = (row["passport_margin_THz"], row[NOISE_FLOOR], row.get("passport_reference_margin_THz"))
        lines.append(
            (
                Entry(named(row["material"], row["formula"]), MaterialLink(row["material"])),
                str(row["potential"]),
                str(row["passport_verdict"]).replace(" -", " −"),
                _how_sure(row["passport_margin_THz"], row[NOISE_FLOOR]),
                *(NOTHING if pd.isna(value) else Entry(f"{value:.2f}", link) for value in numbers),
            )
        )
    columns = (
        "material",
        "potential",
        "verdict",
        "how sure",
        "margin, THz",
        "noise floor, THz",
        "reference's margin, THz",
    )
    return Table("passport", "Verdicts and margins", columns, tuple(lines))
