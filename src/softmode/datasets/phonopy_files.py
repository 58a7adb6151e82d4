"""What a phonopy user has: YAML files, or a folder with POSCAR and forces or force constants."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from phonopy.structure.cells import Primitive

from softmode.crystal import (
    Cell,
    DisplacementForces,
    ForceConstants,
    Material,
    NonAnalyticalCorrection,
)
from softmode.datasets.assemble import (
    automatic_primitive_matrix,
    make_material,
    order_force_constants,
    phonopy_primitive,
    read_born,
    reorder_forces,
    supercell_matrix_between,
    supercell_order,
)
from softmode.datasets.base import DatasetKind, MaterialEntry, listed
from softmode.datasets.formats import (
    parse_conf,
    parse_force_constants,
    parse_force_sets,
    parse_poscar,
    primitive_matrix_from,
    read_force_constants_hdf5,
    supercell_matrix_from,
)
from softmode.datasets.phonopy_options import NO_OPTIONS, PhonopyOptions
from softmode.datasets.phonopy_yaml import YamlContents, parse_phonopy_yaml
from softmode.datasets.reading import (
    Files,
    FileSet,
    as_text,
    decompressed,
    fingerprint,
    naming,
    reading,
)
from softmode.datasets.trajectory_source import (
    DATASET,
    RunsLoader,
    collect_dataset,
    collect_files,
    matching_files,
)
from softmode.errors import InputDataError

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

YAML_NAMES = ("phonopy_params.yaml", "phonopy.yaml", "phonopy_disp.yaml")
STRUCTURES = ("POSCAR-unitcell", "POSCAR", "CONTCAR")
YAML_SUFFIXES = (".yaml", ".yaml.xz", ".yaml.lzma", ".yaml.gz", ".yml")


def entries(path: Path, options: PhonopyOptions) -> list[MaterialEntry]:
    """All materials of one file or folder of a material, or of a folder of such.

    Raises
    ------
    InputDataError
        If nothing is found, or two sources bear the same name.
    """
    return listed(
        path,
        _sources(path),
        material_name,
        partial(entry, options=options),
        nothing=(
            "no phonopy files are in it",
            f"point to a phonopy YAML file, to a folder with {', '.join(YAML_NAMES)} or POSCAR and "
            "forces, or to a folder of such folders",
        ),
    )


def material_name(path: Path) -> str:
    """Name of the folder, or of the file without its suffixes."""
    name = path.name if path.name else path.resolve().name
    for suffix in sorted(YAML_SUFFIXES, key=len, reverse=True):
        if path.is_file() and name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name


def holds_one_material(folder: Path) -> bool:
    """Whether a folder holds the files of one material itself."""
    names = {p.name for p in folder.iterdir() if p.is_file()}
    compressed = ("", ".xz", ".lzma", ".gz")
    return any(name + suffix in names for name in (*YAML_NAMES, *STRUCTURES) for suffix in compressed)


def _sources(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    inside = sorted(path.iterdir())
    folders = [p for p in inside if p.is_dir() and holds_one_material(p)]
    if holds_one_material(path):
        if folders:
            raise InputDataError(
                str(path),
                f"it is a material itself and holds others ({folders[0].name}"
                f"{', …' if len(folders) > 1 else ''})",
                "point to one of them, or move the files of this material into a folder of their own",
            )
        return [path]
    return folders + [p for p in inside if p.is_file() and p.name.lower().endswith(YAML_SUFFIXES)]


def entry(path: Path, options: PhonopyOptions) -> MaterialEntry:
    """One material."""
    identity = fingerprint([path], path.parent) if path.is_file() else FileSet(path).fingerprint
    identity += options.mark
    loader = partial(load, path, options)
    if not options.trajectory:
        return MaterialEntry(material_name(path), identity, loader)
    if options.trajectory == (DATASET,):
        collect = partial(collect_dataset, loader, path)
    else:
        folder = path.parent if path.is_file() else path
        collect = partial(collect_files, loader, folder, options.trajectory)
        identity += f":{fingerprint(matching_files(folder, options.trajectory), folder)}"
    runs = RunsLoader(collect, options.frames)
    return MaterialEntry(material_name(path), identity, loader, runs, choice=options.frames.mark)


def load(path: Path, options: PhonopyOptions = NO_OPTIONS) -> Material:
    """Read one phonopy YAML file or one folder.

    A YAML file that has neither forces nor force constants is completed by FORCE_SETS, FORCE_CONSTANTS or
    force_constants.hdf5 (and BORN) beside it. Forces are preferred to force constants.

    Parameters
    ----------
    path : Path
        File or folder.
    options : PhonopyOptions
        What the files do not say.

    Raises
    ------
    InputDataError
        If something is missing, damaged or inconsistent; the file is named.
    """
    name = material_name(path)
    if path.is_dir():
        files = FileSet(path).open()
        yaml_name = files.first(*YAML_NAMES)
        if yaml_name is None:
            return _from_structure(name, files, options)
        contents = parse_phonopy_yaml(files.text(yaml_name), files.subject(yaml_name))
        return _from_yaml(name, contents, files, files.subject(yaml_name), options)
    with reading(str(path), "the file cannot be read", "check the path and its permissions"):
        data = path.read_bytes()
    contents = parse_phonopy_yaml(as_text(str(path), decompressed(str(path), data)), str(path))
    complete = contents.reference is not None or contents.force_constants is not None
    files = Files(str(path), path.name, (), None, {}) if complete else FileSet(path.parent).open()
    return _from_yaml(name, contents, files, str(path), options)


def _from_yaml(
    name: str, contents: YamlContents, files: Files, subject: str, options: PhonopyOptions
) -> Material:
    unitcell, matrix = contents.unitcell, contents.supercell_matrix
    _check_same_matrix(options, matrix, subject)
    primitive_matrix = contents.primitive_matrix
    if options.primitive_matrix is not None or primitive_matrix is None:
        primitive_matrix = _primitive_matrix(options.primitive_matrix or "auto", unitcell, subject)
    order = None
    if contents.supercell is not None:
        order = supercell_order(unitcell, matrix, contents.supercell, f"{subject}, supercell")
    reference: DisplacementForces | ForceConstants | None
    if contents.reference is not None:
        reference = reorder_forces(contents.reference, order)
    elif contents.force_constants is not None:
        primitive = phonopy_primitive(unitcell, matrix, primitive_matrix, subject)
        rows = _yaml_rows(contents.force_constants, order, primitive)
        reference = order_force_constants(contents.force_constants, rows, order, primitive, subject)
    else:
        reference = _reference_beside(files, unitcell, matrix, primitive_matrix, order)
        _check_displacements(contents.displacements, order, reference, subject)
    if reference is None:
        raise InputDataError(
            subject,
            "it holds neither forces nor force constants",
            "add FORCE_SETS, FORCE_CONSTANTS or force_constants.hdf5 beside it, or use phonopy_params.yaml",
        )
    nac = contents.nac
    if nac is None and "BORN" in files.names:
        nac = read_born(files.text("BORN"), unitcell, primitive_matrix, files.subject("BORN"))
    return _material(name, subject, unitcell, matrix, primitive_matrix, reference, nac, options)


def _yaml_rows(values: FloatArray, order: IntArray | None, primitive: Primitive) -> IntArray | None:
    """Supercell atoms (as the file counts them) of the rows in a YAML file, which does not name them.

    phonopy takes the first atom of the supercell on each site of the primitive cell; supercells made through
    the Smith normal form, or reordered ones, have others than those phonopy makes by default.
    """
    if len(values) != len(primitive.p2s_map) or order is None:
        return None
    _, site = np.unique(primitive.s2p_map, return_inverse=True)
    return np.array(sorted(order[site == i].min() for i in range(len(primitive.p2s_map))), dtype=np.int64)


def _from_structure(name: str, files: Files, options: PhonopyOptions) -> Material:
    structure = files.first(*STRUCTURES) or STRUCTURES[0]
    subject = files.subject(structure)
    unitcell = parse_poscar(files.text(structure), subject)
    conf_name = files.first("phonopy.conf")
    conf = {} if conf_name is None else parse_conf(files.text(conf_name), files.subject(conf_name))
    given = None
    if (supercell_name := files.first("SPOSCAR")) is not None:
        given = parse_poscar(files.text(supercell_name), files.subject(supercell_name))
    matrix = _supercell_matrix(files, unitcell, given, conf, options)
    axes = options.primitive_matrix or conf.get("PRIMITIVE_AXES", conf.get("PRIMITIVE_AXIS", "auto"))
    primitive_matrix = _primitive_matrix(axes, unitcell, files.source)
    order = None if given is None else supercell_order(unitcell, matrix, given, files.subject("SPOSCAR"))
    reference = _reference_beside(files, unitcell, matrix, primitive_matrix, order)
    if reference is None:
        raise InputDataError(
            files.source,
            "neither forces nor force constants are in it",
            "add FORCE_SETS, FORCE_CONSTANTS or force_constants.hdf5",
        )
    nac = None
    if "BORN" in files.names:
        nac = read_born(files.text("BORN"), unitcell, primitive_matrix, files.subject("BORN"))
    return _material(name, files.source, unitcell, matrix, primitive_matrix, reference, nac, options)


def _supercell_matrix(
    files: Files, unitcell: Cell, given: Cell | None, conf: dict[str, str], options: PhonopyOptions
) -> IntArray:
    if options.supercell_matrix is not None:
        return supercell_matrix_from(options.supercell_matrix, files.source)
    if "DIM" in conf:
        return supercell_matrix_from(conf["DIM"], files.subject("phonopy.conf"))
    if given is not None:
        return supercell_matrix_between(unitcell, given, files.subject("SPOSCAR"))
    raise InputDataError(
        files.source,
        "no supercell matrix is given",
        "set the option supercell_matrix, or add a phonopy.conf with DIM, or the SPOSCAR",
    )


def _primitive_matrix(value: str | tuple[float, ...], unitcell: Cell, subject: str) -> FloatArray:
    if isinstance(value, str) and value.strip().lower() == "auto":
        return automatic_primitive_matrix(unitcell, subject)
    return primitive_matrix_from(value, subject)


def _reference_beside(
    files: Files, unitcell: Cell, matrix: IntArray, primitive_matrix: FloatArray, order: IntArray | None
) -> DisplacementForces | ForceConstants | None:
    """FORCE_SETS, else force_constants.hdf5, else FORCE_CONSTANTS, in phonopy's order."""
    n_atoms = unitcell.n_atoms * round(float(np.linalg.det(matrix)))
    name = files.first("FORCE_SETS", "force_constants.hdf5", "FORCE_CONSTANTS")
    if name is None:
        return None
    subject = files.subject(name)
    if name.startswith("FORCE_SETS"):
        return reorder_forces(parse_force_sets(files.text(name), n_atoms, subject), order)
    rows: IntArray | None
    if name.startswith("FORCE_CONSTANTS"):
        values, rows = parse_force_constants(files.text(name), subject)
    else:
        values, rows = read_force_constants_hdf5(files.data(name), subject)
    primitive = phonopy_primitive(unitcell, matrix, primitive_matrix, subject)
    return order_force_constants(values, rows, order, primitive, subject)


def _check_displacements(
    announced: FloatArray | None,
    order: IntArray | None,
    reference: DisplacementForces | ForceConstants | None,
    subject: str,
) -> None:
    """The displacements in FORCE_SETS must be those phonopy_disp.yaml announced."""
    if announced is None or not isinstance(reference, DisplacementForces):
        return
    ordered = announced if order is None else announced[:, order]
    found = reference.displacements
    if ordered.shape != found.shape or float(np.abs(ordered - found).max()) > 1e-4:
        raise InputDataError(
            subject,
            f"FORCE_SETS beside it is of other displacements ({len(found)} supercells, not {len(ordered)})",
            "keep the FORCE_SETS that was made from this file",
        )


def _check_same_matrix(options: PhonopyOptions, matrix: IntArray, subject: str) -> None:
    if options.supercell_matrix is None:
        return
    wanted = supercell_matrix_from(options.supercell_matrix, subject)
    if not np.array_equal(wanted, matrix):
        raise InputDataError(
            subject,
            f"its supercell matrix is {matrix.tolist()}, not {wanted.tolist()} as the option says",
            "leave the option supercell_matrix away: the file gives it",
        )


def _material(
    name: str,
    source: str,
    unitcell: Cell,
    matrix: IntArray,
    primitive_matrix: FloatArray,
    reference: DisplacementForces | ForceConstants,
    nac: NonAnalyticalCorrection | None,
    options: PhonopyOptions,
) -> Material:
    with naming(source):
        tags = {"level_of_theory": options.level_of_theory}
        return make_material(name, source, unitcell, matrix, primitive_matrix, reference, nac, tags)


PHONOPY = DatasetKind(
    name="phonopy",
    title="Your own phonopy files",
    holds="phonopy_params.yaml / phonopy.yaml (also .xz, .gz), or folders with POSCAR and FORCE_SETS, "
    "FORCE_CONSTANTS or force_constants.hdf5; BORN when there",
    citation="yours; phonopy: A. Togo et al., J. Phys. Condens. Matter 35, 353001 (2023)",
    licence="yours",
    entries=entries,
    options=PhonopyOptions,
)
