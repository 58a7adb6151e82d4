"""What results of one crystal share: how they are shown, and their force constants for phonopy."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Literal

import pandas as pd
from matplotlib.figure import Figure
from phonopy import Phonopy
from phonopy.file_IO import write_FORCE_CONSTANTS, write_force_constants_to_hdf5

from softmode import harmonic as hm
from softmode.crystal import Material
from softmode.errors import SettingsError
from softmode.files import fill_atomically
from softmode.measurements.conditions import Conditions
from softmode.measurements.measure import facts_of
from softmode.measurements.shared import Crystal as CrystalPhonons
from softmode.measurements.shared import ModelCrystal, correction, reference_crystal
from softmode.measurements.view import Sources, View
from softmode.records import Record

Side = Literal["potential", "reference"]
#: Files of phonopy's that are written, known by how their names end.
FILES = ("phonopy_params.yaml", "band.yaml", "FORCE_CONSTANTS", "force_constants.hdf5")


class Shown(ABC):
    """Something a notebook shows as a sentence and a table."""

    @property
    @abstractmethod
    def table(self) -> pd.DataFrame:
        """Its figures."""

    @abstractmethod
    def __repr__(self) -> str:
        """One sentence."""

    def _repr_html_(self) -> str:
        table = self.table.to_html(float_format="{:.4g}".format, na_rep="–", max_rows=20)
        return f"<p>{escape(repr(self))}</p>{table}"


def displayed(figure: Figure) -> Figure:
    """The figure, which a notebook shows whatever matplotlib's backend is there."""

    def png() -> bytes:
        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=110)
        return picture.getvalue()

    figure._repr_png_ = png  # type: ignore[attr-defined]
    return figure


@dataclass(frozen=True, eq=False, repr=False)
class Measured(Shown):
    """Measurements of one crystal.

    Parameters
    ----------
    material : Material
        The crystal.
    potential : str
        Name of the potential; empty where there is none.
    conditions : Conditions
        Protocol, seed, settings.
    records : mapping of str to Record
        All values and arrays, by measurement.
    """

    material: Material
    potential: str
    conditions: Conditions
    records: Mapping[str, Record]

    @abstractmethod
    def plot(self) -> Figure:
        """The figure of it (matplotlib)."""

    def to_phonopy(self, of: Side | None = None) -> Phonopy:
        """A phonopy object with the force constants that were used, symmetrised where the protocol says so.

        Parameters
        ----------
        of : {"potential", "reference"}, optional
            Whose; the potential's where there is one. Its structure is relaxed where the protocol says so.

        Raises
        ------
        SettingsError
            If there are none.
        """
        of = of or ("potential" if self.potential else "reference")
        found = self._phonons(of)
        return hm.with_force_constants(found.phonon, found.force_constants, found.nac)

    def _phonons(self, of: Side) -> CrystalPhonons:
        has_reference = self.material.reference is not None
        forces = [record for name, record in self.records.items() if name.startswith("displaced_forces")]
        if not {"potential": forces, "reference": has_reference}.get(of):
            raise SettingsError(
                self.material.name, f"the {of} has no force constants", "Take the other side's"
            )
        view = view_of(self.material, self.conditions)
        if of == "reference":
            return reference_crystal(view)
        model = ModelCrystal(view, forces[0])
        nac = correction(view) if has_reference else None
        return CrystalPhonons(model.phonon, model.raw, model.force_constants, nac)

    def write(self, path: str | Path, of: Side | None = None) -> Path:
        """Write a file of phonopy's, by phonopy.

        Parameters
        ----------
        path : str or Path
            Its name ends in ``phonopy_params.yaml``, ``band.yaml`` (on the path that softmode compares on),
            ``FORCE_CONSTANTS`` or ``force_constants.hdf5`` (compact) and says what is written.
        of : {"potential", "reference"}, optional
            As :meth:`to_phonopy`.

        Raises
        ------
        SettingsError
            If the name says nothing of this kind, or there are no such force constants.
        StorageError
            If it cannot be written.
        """
        path = Path(path)
        kind = kind_of_file(path)
        phonon = self.to_phonopy(of)
        constants, rows = phonon.force_constants, phonon.primitive.p2s_map
        if kind == "band.yaml":
            _run_bands(phonon, self.conditions.protocol.points_per_segment)
        writers: dict[str, Callable[[Path], object]] = {
            "phonopy_params.yaml": partial(phonon.save, settings={"force_constants": True}),
            "band.yaml": lambda file: phonon.write_yaml_band_structure(filename=file),
            "FORCE_CONSTANTS": lambda file: write_FORCE_CONSTANTS(constants, filename=file, p2s_map=rows),
            "force_constants.hdf5": lambda file: write_force_constants_to_hdf5(
                constants, filename=file, p2s_map=rows, physical_unit="eV/angstrom^2"
            ),
        }
        fill_atomically(path, writers[kind])
        return path


def view_of(material: Material, conditions: Conditions) -> View:
    """What is known of a crystal without a potential: its reference, where it has one."""
    what = "structure" if material.reference is None else "reference"
    sources = Sources(facts_of(material, stored=False), lambda: material)
    return View(sources, conditions, (what, "protocol"), who=material.name)


def kind_of_file(path: Path) -> str:
    """Which of :data:`FILES` a path is to be.

    Raises
    ------
    SettingsError
        If it is none.
    """
    for kind in FILES:
        if path.name.endswith(kind):
            return kind
    raise SettingsError(
        str(path), "its name says no kind of phonopy's files", f"Let it end in {' or '.join(FILES)}"
    )


def _run_bands(phonon: Phonopy, points_per_segment: int) -> None:
    """phonopy's band structure on softmode's path; labels are those of phonopy's convention."""
    path = hm.band_path(phonon, points_per_segment)
    segments = path.points.reshape(len(path.segments), points_per_segment, 3)
    joined = [end == start for (_, end), (start, _) in pairwise(path.segments)]
    labels = [path.segments[0][0]]
    for (_, end), (start, _), goes_on in zip(path.segments, path.segments[1:], joined, strict=False):
        labels += [end] if goes_on else [end, start]
    phonon.run_band_structure(
        list(segments), path_connections=[*joined, False], labels=[*labels, path.segments[-1][1]]
    )
