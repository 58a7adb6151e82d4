"""Studies and screenings: their tables and records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from softmode.anharmonic.classes import classify
from softmode.errors import SettingsError
from softmode.files import file_name
from softmode.notebook.inputs import Model
from softmode.notebook.results import Shown
from softmode.records import Record, digest_of
from softmode.report.build import build_report
from softmode.structures.labels import balanced_draw, read_labels
from softmode.study.folder import Study, reopen_study
from softmode.study.folder import open_study as open_anew
from softmode.study.results import OK, cell_table, failures, records_of
from softmode.study.run import run_study
from softmode.study.screening import screening_table
from softmode.study.settings import StudySettings, load_study, parse_study

#: Ways to σ of a potential alone, as a person names them.
SAMPLINGS = {
    "staged": ["staged"],
    "self-consistent": ["self_consistent"],
    "one-shot": ["one_shot"],
    "both": ["self_consistent", "one_shot"],
}


@dataclass(frozen=True, eq=False, repr=False)
class OpenedStudy(Shown):
    """A study on disk.

    Parameters
    ----------
    study : Study
        Its settings, cases and store of records.
    """

    study: Study

    @cached_property
    def cells(self) -> pd.DataFrame:
        """One row for each material and potential, with all figures; units stand in the names of columns."""
        return cell_table(self.study)

    @property
    def table(self) -> pd.DataFrame:
        """Its table."""
        return self.cells

    @property
    def failures(self) -> pd.DataFrame:
        """Materials and potentials without a result, and why."""
        return failures(self.cells)

    def records(self, measurement: str, *materials: str) -> dict[str, dict[str, Record]]:
        """Records with their arrays, by material and potential; of all materials when none is named."""
        return records_of(self.study, measurement, materials or self.cells["material"])

    def write_report(self) -> Path:
        """Write its page, figures and tables, and return where the page is."""
        return build_report(self.study, self.cells)

    def __repr__(self) -> str:
        """Name, size, and how much of it is done."""
        cells, done = self.cells, (self.cells["state"] == OK).sum()
        return (
            f"<{type(self).__name__} {self.study.settings.name!r}: {cells['material'].nunique()} materials × "
            f"{cells['potential'].nunique()} potentials, {done} of {len(cells)} done, "
            f"{len(self.failures)} failed>"
        )


class Screening(OpenedStudy):
    """A screening on disk; its table is ranked."""

    @cached_property
    def table(self) -> pd.DataFrame:
        """Compounds of each potential, the most stable first."""
        return screening_table(self.cells)


def open_study(path: str | Path) -> OpenedStudy:
    """Open a study that was run, to read it; nothing is computed.

    Parameters
    ----------
    path : str or Path
        The study file, or the folder that the run wrote.

    Raises
    ------
    SettingsError
        If there is no study, or it was not run yet.
    """
    path = Path(path)
    return OpenedStudy(reopen_study(load_study(path).output if path.is_file() else path))


def screen(compounds: Sequence[str | Path] | str | Path, models: Any, **options: Any) -> Screening:
    """Rank compounds by dynamic stability, from potentials alone; goes on where it was stopped.

    Work is spread over processes: in a script, call it under ``if __name__ == "__main__":``.

    Parameters
    ----------
    compounds : str, Path or sequence of these
        Structure files, folders of them, lists of formulas, or formulas such as Cs2AgBiBr6.
    models : str, Model or sequence of these
        Names of potentials, or what :func:`softmode.potential` made of names.
    **options
        As of :func:`screening_settings`: `prototype`, `temperature`, `sampling`, `samples`, `output`, …

    Raises
    ------
    SettingsError, InputDataError
        If something that is given is not there or not valid.
    """
    compounds = [compounds] if isinstance(compounds, str | Path) else compounds
    models = [models] if isinstance(models, str | Model) else models
    study = open_anew(screening_settings(compounds, models, **options))
    run_study(study)
    return Screening(study)


def screening_settings(
    compounds: Sequence[str | Path],
    models: Sequence[str | Model],
    *,
    prototype: str | None = None,
    temperature: float = 300.0,
    sampling: str = "staged",
    samples: int = 20,
    statistics: str = "classical",
    md_steps: int | None = None,
    relax: bool = True,
    labels: Path | None = None,
    draw: int | None = None,
    seed: int = 2026,
    output: Path | None = None,
    workers: int | None = None,
) -> StudySettings:
    """The study that a screening is; its folder follows from all that is asked, unless it is given.

    Parameters
    ----------
    compounds, models
        As of :func:`screen`.
    prototype : str, optional
        Of formulas that name none.
    temperature : float
        K.
    sampling : {"staged", "self-consistent", "one-shot", "both"}
        Modes, samples and, where these cannot tell, short dynamics; or samples alone, with amplitudes from
        the forces that the moving crystal feels, those at rest, or each.
    samples : int
        Thermal samples of each compound.
    statistics : {"classical", "quantum"}
        Of the amplitudes.
    md_steps : int, optional
        Molecular dynamics too, runs of so many steps.
    relax : bool
        Relax lattice and positions first, symmetry kept.
    labels : Path, optional
        CSV of compounds with known σ.
    draw : int, optional
        Draw so many compounds from the labels, balanced over halides and classes.
    seed : int
        Of draw, samples and intervals.
    output : Path, optional
        The folder.
    workers : int, optional
        Processes; one for each core when not given.
    """
    if sampling not in SAMPLINGS:
        raise SettingsError("sampling", f"{sampling!r} is none", f"Give one of {', '.join(SAMPLINGS)}")
    given = [str(item) for item in compounds] + _drawn(labels, draw, seed)
    thermal = {"temperature": temperature, "n_samples": samples, "statistics": statistics}
    md = {"temperature": temperature, "steps": md_steps}
    potentials = [_in_study(model) for model in models]
    content = {
        "name": f"Screening with {', '.join(potential['name'] for potential in potentials)}",
        "output": "",
        "dataset": {
            "kind": "structures",
            "options": {
                "files": [str(Path(item).resolve()) for item in given if Path(item).exists()],
                "formulas": [_formula(item) for item in given if not Path(item).exists()],
                **({"prototype": prototype} if prototype is not None else {}),
            },
        },
        "potential": potentials,
        "measurements": ["model_phonons", *SAMPLINGS[sampling], *(["model_only"] if md_steps else [])],
        "one_shot": thermal,
        "self_consistent": thermal,
        **({"md": md} if md_steps else {}),
        "protocol": {"structure": "relaxed" if relax else "reference"},
        "seed": seed,
        "run": {"workers": workers},
        **({"labels": {"path": str(labels)}} if labels is not None else {}),
    }
    settings = parse_study(content, "screening")
    return settings.model_copy(update={"output": Path(output) if output else _own_folder(settings)})


def _in_study(model: str | Model) -> Mapping[str, Any]:
    if isinstance(model, str):
        return {"name": model}
    if model.resolved is None:
        raise SettingsError(
            model.name,
            "was given as an object, which cannot be sent to other processes",
            "Name the potential (module:factory for a calculator of your own)",
        )
    return model.resolved.settings.model_dump(mode="json", exclude_defaults=True)


def _formula(item: str) -> str:
    """What is no file, unless it is named like one."""
    if any(part in item for part in ("/", "\\", ".", "POSCAR", "CONTCAR")):
        raise SettingsError(
            item, "there is no such file", "Give an existing file or folder, or a formula such as Cs2AgBiBr6"
        )
    return item


def _own_folder(settings: StudySettings) -> Path:
    """The same for the same question, another for another: no screening replaces what another gave."""
    asked = {key: value for key, value in settings.content().items() if key not in ("name", "output", "run")}
    names = [file_name(Path(potential.name).name) for potential in settings.potentials]
    label = "_".join(names[:2]) + (f"_and_{len(names) - 2}_more" if len(names) > 2 else "")
    return Path("runs") / f"screening-{label}-{digest_of(asked)[:8]}"


def _drawn(labels: Path | None, n: int | None, seed: int) -> list[str]:
    """Formulas drawn from the labelled ones."""
    if n is None:
        return []
    if labels is None:
        raise SettingsError("draw", "there is nothing to draw from", "Give labels")
    return [label.formula for label in balanced_draw(read_labels(labels).labels, n, seed, classify)]
