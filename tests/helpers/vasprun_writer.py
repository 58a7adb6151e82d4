"""vasprun.xml of a molecular dynamics run, in the layout of VASP 5 and 6."""

from __future__ import annotations

from collections import Counter

import numpy as np
from ase.data import atomic_masses_common, atomic_numbers
from numpy.typing import NDArray


def _rows(values: NDArray[np.float64], indent: str, pattern: str = "%16.8f") -> str:
    line = f"{indent}<v>{pattern * values.shape[1]} </v>\n"
    return line * len(values) % tuple(values.ravel().tolist())


def _structure(
    lattice: NDArray[np.float64],
    scaled: NDArray[np.float64],
    indent: str,
    name: str = "",
    selective: list[str] | None = None,
) -> str:
    reciprocal = np.linalg.inv(lattice).T
    flags = ""
    if selective is not None:
        rows = "".join(f'{indent}  <v type="logical" > {flag} </v>\n' for flag in selective)
        flags = f'{indent} <varray name="selective"  type="logical" >\n{rows}{indent} </varray>\n'
    opening = f'<structure name="{name}" >' if name else "<structure>"
    return (
        f'{indent}{opening}\n{indent} <crystal>\n{indent}  <varray name="basis" >\n'
        f"{_rows(lattice, indent + '   ')}{indent}  </varray>\n"
        f'{indent}  <i name="volume"> {abs(np.linalg.det(lattice)):16.8f} </i>\n'
        f'{indent}  <varray name="rec_basis" >\n{_rows(reciprocal, indent + "   ")}{indent}  </varray>\n'
        f'{indent} </crystal>\n{indent} <varray name="positions" >\n{_rows(scaled, indent + "  ")}'
        f"{indent} </varray>\n{flags}{indent}</structure>\n"
    )


def _atominfo(symbols: list[str]) -> str:
    counts = Counter(symbols)
    kinds = list(counts)
    atoms = "".join(f"    <rc><c>{s:<2}</c><c>{kinds.index(s) + 1:4d}</c></rc>\n" for s in symbols)
    types = "".join(
        f"    <rc><c>{count:4d}</c><c>{s:<2}</c><c>{atomic_masses_common[atomic_numbers[s]]:16.8f}</c>"
        f"<c>      7.00000000</c><c>  PAW_PBE {s} 06Sep2000                     </c></rc>\n"
        for s, count in counts.items()
    )
    return (
        f" <atominfo>\n  <atoms>{len(symbols):8d} </atoms>\n  <types>{len(kinds):8d} </types>\n"
        '  <array name="atoms" >\n   <dimension dim="1">ion</dimension>\n'
        '   <field type="string">element</field>\n'
        f'   <field type="int">atomtype</field>\n   <set>\n{atoms}   </set>\n  </array>\n'
        '  <array name="atomtypes" >\n   <dimension dim="1">type</dimension>\n'
        '   <field type="int">atomspertype</field>\n   <field type="string">element</field>\n'
        '   <field>mass</field>\n   <field>valence</field>\n   <field type="string">pseudopotential</field>\n'
        f"   <set>\n{types}   </set>\n  </array>\n </atominfo>\n"
    )


_HEADER = """<?xml version="1.0" encoding="ISO-8859-1"?>
<modeling>
 <generator>
  <i name="program" type="string">vasp </i>
  <i name="version" type="string">5.4.4.18Apr17-6-g9f103f2a35  </i>
  <i name="subversion" type="string">(build Feb 11 2018 17:35:34) complex            parallel </i>
  <i name="platform" type="string">LinuxIFC </i>
  <i name="date" type="string">2021 03 04 </i>
  <i name="time" type="string">11:12:13 </i>
 </generator>
 <incar>
  <i type="string" name="PREC">accurate</i>
  <i type="int" name="IBRION">     0</i>
  <i type="int" name="NSW">  1000</i>
  <i name="POTIM">      1.00000000</i>
  <i name="TEBEG">    300.00000000</i>
 </incar>
 <kpoints>
  <generation param="Gamma">
   <v type="int" name="divisions">       1        1        1 </v>
   <v name="usershift">      0.00000000       0.00000000       0.00000000 </v>
   <v name="genvec1">      1.00000000       0.00000000       0.00000000 </v>
   <v name="genvec2">      0.00000000       1.00000000       0.00000000 </v>
   <v name="genvec3">      0.00000000       0.00000000       1.00000000 </v>
   <v name="shift">      0.00000000       0.00000000       0.00000000 </v>
  </generation>
  <varray name="kpointlist" >
   <v>       0.00000000       0.00000000       0.00000000 </v>
  </varray>
  <varray name="weights" >
   <v>       1.00000000 </v>
  </varray>
 </kpoints>
 <parameters>
  <separator name="general" >
   <i type="string" name="SYSTEM">unknown system</i>
   <i type="logical" name="LCOMPAT"> F  </i>
  </separator>
  <separator name="ionic" >
   <i type="int" name="NSW">  1000</i>
   <i name="POTIM">      1.00000000</i>
   <i name="PSTRESS">      0.00000000</i>
  </separator>
 </parameters>
"""


def _scstep(number: int) -> str:
    return (
        f'  <scstep>\n   <time name="dav">    0.{number}1    0.{number}2</time>\n'
        f'   <time name="total">    0.{number}3    0.{number}5</time>\n   <energy>\n'
        '    <i name="alphaZ">     18.51640000 </i>\n    <i name="ewald">   -190.63190000 </i>\n'
        '    <i name="e_fr_energy">    -27.11260000 </i>\n    <i name="e_wo_entrp">    -27.11260000 </i>\n'
        '    <i name="e_0_energy">    -27.11260000 </i>\n   </energy>\n  </scstep>\n'
    )


def _varray(name: str, values: NDArray[np.float64]) -> str:
    return f'  <varray name="{name}" >\n{_rows(values, "   ")}  </varray>\n'


_TRAILER = (
    '  <energy>\n   <i name="e_fr_energy">    -27.11260000 </i>\n'
    '   <i name="e_wo_entrp">    -27.11260000 </i>\n'
    '   <i name="e_0_energy">    -27.11260000 </i>\n   <i name="kinetic">      0.61000000 </i>\n'
    '   <i name="lattice kinetic">      0.00000000 </i>\n   <i name="nosepot">      0.00000000 </i>\n'
    '   <i name="nosekinetic">      0.00000000 </i>\n   <i name="total">    -26.50260000 </i>\n  </energy>\n'
    '  <time name="totalsc">    2.71    2.80</time>\n </calculation>\n'
)


def vasprun_text(
    symbols: list[str],
    lattices: NDArray[np.float64],
    scaled: NDArray[np.float64],
    forces: NDArray[np.float64],
    *,
    selective: list[str] | None = None,
    without_forces: tuple[int, ...] = (),
) -> str:
    """A finished run.

    Parameters
    ----------
    symbols : list of str
        Chemical symbols, equal ones together.
    lattices : (3, 3) or (n_frames, 3, 3) array
        Lattice vectors, Å.
    scaled, forces : (n_frames, n_atoms, 3) arrays
        Fractional coordinates and forces (eV/Å), written with eight decimals.
    selective : list of str, optional
        Flags of selective dynamics, an atom each.
    without_forces : tuple of int
        Frames whose forces are left away.
    """
    lattices = np.broadcast_to(lattices, (len(scaled), 3, 3))
    frames = []
    for index, (lattice, positions, force) in enumerate(zip(lattices, scaled, forces, strict=True)):
        given = "" if index in without_forces else _varray("forces", force)
        frames.append(
            " <calculation>\n"
            + "".join(_scstep(number) for number in range(3))
            + _structure(lattice, positions, "  ", selective=selective)
            + given
            + _varray("stress", np.diag([1.0, 2.0, 3.0]))
            + _TRAILER
        )
    return (
        _HEADER
        + _atominfo(symbols)
        + _structure(lattices[0], scaled[0], " ", "initialpos", selective)
        + "".join(frames)
        + _structure(lattices[-1], scaled[-1], " ", "finalpos", selective)
        + "</modeling>\n"
    )
