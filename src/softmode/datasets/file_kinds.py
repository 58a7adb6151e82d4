"""What a file is, by what is in it: names lie, and a wrong guess makes a wrong diagnosis."""

from __future__ import annotations

import io
import re
from enum import Enum
from pathlib import Path

import h5py

from softmode.datasets.reading import ByteStream

_HDF5 = b"\x89HDF\r\n\x1a\n"
_NUMBER = rb"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][-+]?\d+)?"


def _row(n: int) -> bytes:
    """Pattern of a line of so many numbers."""
    return rb"[ \t]*" + rb"[ \t]+".join([_NUMBER] * n) + rb"[ \t]*(?:[#!].*)?\r?\n"


_COUNT = rb"[ \t]*\d+[ \t]*\r?\n"
_BLANK = rb"(?:[ \t]*(?:#.*)?\r?\n)*"


class FileKind(Enum):
    """Kinds of files that softmode reads or is given by mistake; the value says what one is."""

    PHONOPY_YAML = "a YAML file of phonopy"
    FORCE_SETS = "FORCE_SETS: forces on displaced supercells"
    FORCE_CONSTANTS = "FORCE_CONSTANTS: force constants of phonopy"
    FORCE_CONSTANTS_HDF5 = "HDF5 with force constants of phonopy"
    BORN = "BORN: Born effective charges"
    PHONOPY_CONF = "settings of phonopy"
    POSCAR = "a structure (POSCAR)"
    CIF = "a structure (CIF)"
    EXTENDED_XYZ = "extended XYZ"
    VASPRUN = "vasprun.xml of VASP"
    ASE_TRAJECTORY = "a trajectory of ASE"
    VIBES = "trajectory.nc of FHI-vibes"
    HDF5 = "HDF5, cut short or of another kind"
    CLASSIC_NETCDF = "netCDF of the classic format"
    ARCHIVE = "an archive"
    UNKNOWN = "of no format known here"

    @property
    def is_structure(self) -> bool:
        """Whether it holds a crystal and nothing else."""
        return self in (FileKind.POSCAR, FileKind.CIF)

    @property
    def is_reference(self) -> bool:
        """Whether it holds force constants, or what they are made from, without their crystal."""
        return self in (FileKind.FORCE_SETS, FileKind.FORCE_CONSTANTS, FileKind.FORCE_CONSTANTS_HDF5)


_TEXTS: tuple[tuple[FileKind, re.Pattern[bytes]], ...] = tuple(
    (kind, re.compile(pattern, re.I | re.M))
    for kind, pattern in (
        (FileKind.VASPRUN, rb"\A\s*<(?:\?xml|modeling)"),
        (FileKind.EXTENDED_XYZ, rb"\A\s*\d+[ \t]*\r?\n[^\n]*(?:Lattice|Properties)="),
        (FileKind.PHONOPY_YAML, rb"^(?:phonopy|phono3py|unit_cell|primitive_cell|supercell_matrix):"),
        (FileKind.CIF, rb"^(?:data_\S*\s|_cell_length_a)"),
        (FileKind.FORCE_SETS, rb"\A" + (_BLANK + _COUNT) * 3 + _BLANK + _row(3)),
        (FileKind.FORCE_SETS, rb"\A" + _BLANK + _row(6)),
        (FileKind.FORCE_CONSTANTS, rb"\A" + _COUNT + _row(2) + _row(3)),
        (FileKind.FORCE_CONSTANTS, rb"\A" + _row(2) * 2 + _row(3)),
        (FileKind.POSCAR, rb"\A[^\n]*\n" + rb"[ \t]*" + _NUMBER + rb"[^\n]*\n" + _row(3) * 3),
        (FileKind.BORN, rb"\A[^\n]*\n" + _row(9)),
        (FileKind.PHONOPY_CONF, rb"^[ \t]*(?:DIM|ATOM_NAME|PRIMITIVE_AX[IE]S|MP|BAND)[ \t]*="),
    )
)  # fmt: skip


def kind_of(head: bytes) -> FileKind:
    """What a file is.

    Parameters
    ----------
    head : bytes
        Its content, decompressed, or at least the first thousand bytes of it.
    """
    if head.startswith(b"- of UlmASE-Trajectory"):
        return FileKind.ASE_TRAJECTORY
    if head[257:262] == b"ustar":
        return FileKind.ARCHIVE
    if head.startswith(b"CDF"):
        return FileKind.CLASSIC_NETCDF
    if head.startswith(_HDF5):
        return _kind_of_hdf5(io.BytesIO(head))
    text = head.removeprefix(b"\xef\xbb\xbf")
    return next((kind for kind, pattern in _TEXTS if pattern.search(text)), FileKind.UNKNOWN)


def kind_of_file(path: Path) -> FileKind:
    """What a file is, plain or compressed, read only as far as needed.

    Raises
    ------
    InputDataError
        If it cannot be read.
    """
    stream = ByteStream(path)
    head = stream.head()
    return _kind_of_hdf5(stream.seekable()) if head.startswith(_HDF5) else kind_of(head)


def _kind_of_hdf5(source: Path | io.BytesIO) -> FileKind:
    try:
        with h5py.File(source, "r") as file:
            names = set(file)
    except (OSError, RuntimeError, KeyError, ValueError, OverflowError):
        # Damaged, cut short, or the head alone: its reader says more.
        return FileKind.HDF5
    if names & {"force_constants", "fc2"}:
        return FileKind.FORCE_CONSTANTS_HDF5
    return FileKind.VIBES if "positions" in names else FileKind.HDF5
