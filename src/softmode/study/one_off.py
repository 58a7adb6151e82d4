"""A single cell without a study: the same measurements, nothing stored."""

from __future__ import annotations

import time
from dataclasses import dataclass

from softmode.harmonic.protocol import HarmonicProtocol
from softmode.material import Material
from softmode.potentials.resolution import ResolvedPotential
from softmode.study.measurements import CellContext
from softmode.study.plan import MEASUREMENTS, CellIdentity, record_inputs
from softmode.study.records import Record, digest_of


@dataclass(frozen=True, eq=False)
class HarmonicOneOff:
    """Result of :func:`score_phonons`.

    Parameters
    ----------
    material : Material
        What was compared.
    potential, dtype, device : str
        With what.
    protocol : HarmonicProtocol
        How.
    forces, record : Record
        Records of the measurements ``displaced_forces`` and ``harmonic``.
    """

    material: Material
    potential: str
    dtype: str
    device: str
    protocol: HarmonicProtocol
    forces: Record
    record: Record


def score_phonons(
    material: Material, potential: ResolvedPotential, protocol: HarmonicProtocol
) -> HarmonicOneOff:
    """Compare the phonons of a potential with the reference's, for one material.

    Raises
    ------
    SoftmodeError
        What would be a recorded failure in a study is an exception here.
    """
    context = CellContext(material, potential.load, protocol)
    identity = CellIdentity(material.structure_digest, material.reference_digest, potential.digest, protocol)
    for name, inputs in record_inputs(("harmonic",), identity).items():
        started = time.perf_counter()
        result = MEASUREMENTS[name].run(context)
        context.records[name] = Record(
            key=digest_of(inputs),
            measurement=name,
            inputs=inputs,
            values=result.values,
            arrays=result.arrays,
            seconds=time.perf_counter() - started,
        )
    return HarmonicOneOff(
        material=material,
        potential=potential.info.name,
        dtype=context.potential.dtype,
        device=context.potential.device,
        protocol=protocol,
        forces=context.records["displaced_forces"],
        record=context.records["harmonic"],
    )
