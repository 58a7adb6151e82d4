"""One material from phonopy's files: a YAML file, or a folder with POSCAR and forces or force constants."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BeforeValidator, Field

from softmode.crystal import Cell, DisplacementForces, Material
from softmode.crystal.arrays import IntArray
from softmode.datasets.assemble import (
    CrystalFiles,
    FileForceConstants,
    assemble,
    automatic_primitive_matrix,
    read_born,
    supercell_matrix_between,
)
from softmode.datasets.file_kinds import FileKind, kind_of, kind_of_file
from softmode.datasets.formats import (
    parse_conf,
    parse_disp_yaml,
    parse_force_constants,
    parse_force_sets,
    parse_poscar,
    primitive_matrix_from,
    read_force_constants_hdf5,
    supercell_matrix_from,
)
from softmode.datasets.phonopy_yaml import parse_phonopy_yaml
from softmode.datasets.plausibility import ACCEPTED, ACCEPTED_FIGURES
from softmode.datasets.reading import ByteStream, Files, as_text
from softmode.datasets.supercell_inference import infer_supercell_matrix
from softmode.datasets.trajectory_source import FrameOptions, file_patterns
from softmode.errors import InputDataError

YAML_NAMES = ("phonopy_params.yaml", "phonopy.yaml", "phonopy_disp.yaml")
STRUCTURES = ("POSCAR-unitcell", "POSCAR", "CONTCAR")
#: What a reference is made from, best first.
REFERENCES = ("FORCE_SETS", "force_constants.hdf5", "FORCE_CONSTANTS")
_RATHER_THAN = " rather than "


def _numbers(value: Any) -> Any:
    """Nested lists and arrays as one tuple; text as it is."""
    return value if value is None or isinstance(value, str) else tuple(np.asarray(value).ravel().tolist())


class PhonopyOptions(FrameOptions):
    """What the files do not say; applied to every material."""

    supercell_matrix: Annotated[tuple[int, ...] | str | None, BeforeValidator(_numbers)] = Field(
        default=None, description="three or nine integers, where no file gives it (DIM)"
    )
    primitive_matrix: Annotated[str | tuple[float, ...] | None, BeforeValidator(_numbers)] = Field(
        default=None,
        description="P, F, I, A, C, R, auto or nine numbers, where no file gives it (default auto)",
    )
    level_of_theory: str = Field(
        default="unknown", description="how the forces were calculated, for the tables"
    )
    trajectory: Annotated[tuple[str, ...], BeforeValidator(file_patterns)] = Field(
        default=(),
        description="file patterns in the folder of a material (MD/vasprun_*.xml*), or dataset: its own "
        "displacements and forces",
    )

    @property
    def mark(self) -> str:
        """What distinguishes them in a fingerprint, frames apart; empty where the files say everything."""
        given = self.model_dump(exclude={"skip", "every"}, exclude_defaults=True)
        return f":{given}" if given else ""


#: The files say everything.
NO_OPTIONS = PhonopyOptions()


def load(path: Path, options: PhonopyOptions = NO_OPTIONS, name: str | None = None) -> Material:
    """Read one phonopy YAML file or one folder.

    A YAML file that has neither forces nor force constants is completed by FORCE_SETS, FORCE_CONSTANTS or
    force_constants.hdf5 (and BORN) beside it. Forces are preferred to force constants. The tag
    ``reference_source`` of the material names the file they are from and those it was preferred to;
    ``supercell_source`` says how the supercell was inferred, where it was.

    Parameters
    ----------
    path : Path
        File or folder.
    options : PhonopyOptions
        What the files do not say.
    name : str, optional
        Name of the material; that of the file or folder when not given.

    Raises
    ------
    InputDataError
        If something is missing, damaged or inconsistent; the file is named.
    """
    name = path.resolve().name if name is None else name
    if path.is_dir():
        return load_folder(name, Files.open(path), options)
    subject = str(path)
    kind = kind_of_file(path)
    if kind not in (FileKind.PHONOPY_YAML, FileKind.UNKNOWN):
        alone = ", without their crystal" if kind.is_reference else ""
        raise InputDataError(subject, f"this is {kind.value}{alone}", _instead(kind, path))
    crystal = parse_phonopy_yaml(as_text(subject, ByteStream(path).whole()), subject)
    beside = Files(subject, path.name, (), None, {})
    if crystal.reference is None:
        beside = Files.open(path.parent)
    return _complete(name, subject, path.name, crystal, beside, options)


def _instead(kind: FileKind, path: Path) -> str:
    """What to give instead of a file that is no reference by itself."""
    if kind.is_reference:
        return (
            f"give the folder {path.parent} if the POSCAR it belongs to is in it, or this file with its "
            "supercell: --supercell SPOSCAR"
        )
    if kind.is_structure:
        return (
            "a reference needs forces or force constants too: give a folder with this structure as POSCAR "
            "and FORCE_SETS or force_constants.hdf5, or a phonopy_params.yaml"
        )
    if kind in (FileKind.BORN, FileKind.PHONOPY_CONF):
        return "give the folder it belongs to, with POSCAR and FORCE_SETS or force_constants.hdf5"
    return "give a phonopy_params.yaml, or a folder with POSCAR and FORCE_SETS or force_constants.hdf5"


def load_folder(name: str, files: Files, options: PhonopyOptions, *, axes: str = "auto") -> Material:
    """Read the files of one material in a folder or an archive.

    Parameters
    ----------
    name : str
        Name of the material.
    files : Files
        A phonopy YAML file, or a structure, with what else there is.
    options : PhonopyOptions
        What the files do not say.
    axes : str
        The primitive matrix where nothing says it.

    Raises
    ------
    InputDataError
        If something is missing, damaged or inconsistent; the file is named.
    """
    yaml_name = files.first(*YAML_NAMES)
    if yaml_name is not None:
        subject = files.subject(yaml_name)
        crystal = parse_phonopy_yaml(files.text(yaml_name), subject)
        return _complete(name, subject, yaml_name, crystal, files, options)
    if files.first(*REFERENCES) is None:
        raise InputDataError(
            files.source,
            "neither forces nor force constants are in it",
            "add FORCE_SETS, FORCE_CONSTANTS or force_constants.hdf5",
        )
    structure = files.first(*STRUCTURES) or STRUCTURES[0]
    unitcell = parse_poscar(files.text(structure), files.subject(structure))
    conf_name = files.first("phonopy.conf")
    conf = {} if conf_name is None else parse_conf(files.text(conf_name), files.subject(conf_name))
    given = _supercell(files)
    matrix, note = _supercell_matrix(files, unitcell, given, conf, options)
    axes = conf.get("PRIMITIVE_AXES", conf.get("PRIMITIVE_AXIS", axes))
    crystal = CrystalFiles(
        unitcell=unitcell,
        supercell_matrix=matrix,
        primitive_matrix=primitive_matrix_from(axes, files.source),
        supercell=None if given is None else given[1],
        supercell_source="" if given is None else given[0],
    )
    return _complete(name, files.source, structure, crystal, files, options, note)


def _supercell(files: Files) -> tuple[str, Cell] | None:
    """The supercell in the order of the forces, and the file it is from."""
    if (found := files.first("SPOSCAR")) is not None:
        return files.subject(found), parse_poscar(files.text(found), files.subject(found))
    if (found := files.first("disp.yaml")) is not None:
        return files.subject(found), parse_disp_yaml(files.text(found), files.subject(found))
    return None


def _supercell_matrix(
    files: Files,
    unitcell: Cell,
    given: tuple[str, Cell] | None,
    conf: dict[str, str],
    options: PhonopyOptions,
) -> tuple[IntArray, str]:
    """The supercell matrix, and a note where it had to be inferred."""
    if "DIM" in conf:
        return supercell_matrix_from(conf["DIM"], files.subject("phonopy.conf")), ""
    if options.supercell_matrix is not None:
        return supercell_matrix_from(options.supercell_matrix, files.source), ""
    if given is not None:
        return supercell_matrix_between(unitcell, given[1], given[0]), ""
    reference, source = _reference_in(files, None)
    matrix = infer_supercell_matrix(unitcell, reference, files.subject(source))
    multiples = " ".join(str(n) for n in np.diag(matrix))
    return matrix, f"{multiples}, the only one that {source} allows"


def _complete(
    name: str,
    subject: str,
    source: str,
    crystal: CrystalFiles,
    files: Files,
    options: PhonopyOptions,
    supercell_note: str = "",
) -> Material:
    """The material, with reference and Born charges of the files beside where the crystal has none.

    Parameters
    ----------
    name, subject : str
        Name of the material; file or folder named in errors.
    source : str
        File the crystal is from.
    crystal : CrystalFiles
        The crystal.
    files : Files
        What lies beside it.
    options : PhonopyOptions
        What the files do not say.
    supercell_note : str
        How the supercell was inferred.
    """
    unitcell, matrix = crystal.unitcell, crystal.supercell_matrix
    _check_same_matrix(options, matrix, subject)
    primitive_matrix = crystal.primitive_matrix
    if options.primitive_matrix is not None:
        primitive_matrix = primitive_matrix_from(options.primitive_matrix, subject)
    if primitive_matrix is None:
        primitive_matrix = automatic_primitive_matrix(unitcell, subject)
    crystal = replace(crystal, primitive_matrix=primitive_matrix)
    if crystal.reference is None:
        n_atoms = unitcell.n_atoms * round(float(np.linalg.det(matrix)))
        if files.first(*REFERENCES) is not None:
            reference, source = _reference_in(files, n_atoms)
            _check_displacements(crystal, reference, subject)
            crystal = replace(crystal, reference=reference, reference_source=files.subject(source))
    if crystal.nac is None and "BORN" in files.names:
        nac = read_born(files.text("BORN"), unitcell, primitive_matrix, files.subject("BORN"))
        crystal = replace(crystal, nac=nac)
    others = [name for name in files.all_of(*REFERENCES) if name != source]
    tags = {
        "level_of_theory": options.level_of_theory,
        "reference_source": source + (_RATHER_THAN + " or ".join(others) if others else ""),
    }
    if supercell_note:
        tags["supercell_source"] = supercell_note
    return assemble(name, subject, crystal, tags)


def _reference_in(files: Files, n_atoms: int | None) -> tuple[DisplacementForces | FileForceConstants, str]:
    """FORCE_SETS, else force_constants.hdf5, else FORCE_CONSTANTS, and which of them it was."""
    name = files.first(*REFERENCES) or REFERENCES[0]
    return read_reference(files.data(name), n_atoms, files.subject(name)), name


def read_reference(data: bytes, n_atoms: int | None, subject: str) -> DisplacementForces | FileForceConstants:
    """Forces or force constants of a file that holds nothing else, in its own order of atoms.

    Parameters
    ----------
    data : bytes
        The file, decompressed. What it is is found from its content; by its name where that does not show.
    n_atoms : int or None
        Atoms of the supercell; None when not known.
    subject : str
        The file.

    Raises
    ------
    InputDataError
        If it is something else, or damaged.
    """
    kind, name = kind_of(data), Path(subject).name
    if kind is FileKind.FORCE_SETS or (kind is FileKind.UNKNOWN and name.startswith("FORCE_SETS")):
        return parse_force_sets(as_text(subject, data), n_atoms, subject)
    if kind in (FileKind.FORCE_CONSTANTS_HDF5, FileKind.HDF5) or ".hdf5" in name:
        return FileForceConstants(*read_force_constants_hdf5(data, subject))
    return FileForceConstants(*parse_force_constants(as_text(subject, data), subject))


def reference_notes(material: Material, path: Path | str) -> list[str]:
    """What a person should know of a reference that was pointed to: of several files, which was used.

    Parameters
    ----------
    material : Material
        What was read.
    path : Path or str
        What was pointed to.
    """
    used, supercell = (material.tags.get(key, "") for key in ("reference_source", "supercell_source"))
    notes = []
    if _RATHER_THAN in used or (Path(path).is_file() and used not in ("", Path(path).name)):
        made = "forces" if isinstance(material.reference, DisplacementForces) else "force constants"
        notes.append(f"{path}: {made} of {used}")
    if supercell:
        notes.append(f"{path}: supercell {supercell}")
    if ACCEPTED in material.tags:
        notes.append(f"{path}: accepted though {material.tags[ACCEPTED_FIGURES]}")
    return notes


def _check_displacements(
    crystal: CrystalFiles, reference: DisplacementForces | FileForceConstants, subject: str
) -> None:
    """The displacements in FORCE_SETS must be those phonopy_disp.yaml announced."""
    announced = crystal.displacements
    if announced is None or not isinstance(reference, DisplacementForces):
        return
    found = reference.displacements
    if announced.shape != found.shape or float(np.abs(announced - found).max()) > 1e-4:
        raise InputDataError(
            subject,
            f"FORCE_SETS beside it is of other displacements ({len(found)} supercells, not {len(announced)})",
            "keep the FORCE_SETS that was made from this file",
        )


def _check_same_matrix(options: PhonopyOptions, matrix: IntArray, subject: str) -> None:
    if options.supercell_matrix is None:
        return
    wanted = supercell_matrix_from(options.supercell_matrix, subject)
    if not np.array_equal(wanted, matrix):
        raise InputDataError(
            subject,
            f"it brings its own supercell, {matrix.tolist()}, which is not {wanted.tolist()}",
            "leave the supercell (--supercell, option supercell_matrix) away",
        )
