"""A small MACE model with random weights, made in seconds, for tests that need a real `.model` file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ase.data import atomic_numbers


def build_small_mace(
    path: Path,
    symbols: Sequence[str] = ("Na", "Cl"),
    dtype: str = "float64",
    *,
    heads: Sequence[str] = ("Default",),
    seed: int = 7,
    interactions: tuple[str, str] = ("RealAgnosticResidual", "RealAgnosticResidual"),
    **changes: Any,
) -> Path:
    """Save a random MACE model (cutoff 4 Å) for `symbols` at `path`; the same for the same seed.

    `interactions` are the kinds of its two layers; `changes` are other arguments of mace-torch's class.
    """
    import numpy as np
    import torch
    from e3nn import o3
    from mace import modules

    numbers = sorted(atomic_numbers[symbol] for symbol in symbols)
    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, dtype))
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            first, second = (modules.interaction_classes[f"{kind}InteractionBlock"] for kind in interactions)
            arguments: dict[str, Any] = dict(  # noqa: C408
                r_max=4.0,
                num_bessel=4,
                num_polynomial_cutoff=5,
                max_ell=2,
                interaction_cls_first=first,
                interaction_cls=second,
                num_interactions=2,
                num_elements=len(numbers),
                hidden_irreps=o3.Irreps("8x0e + 8x1o"),
                MLP_irreps=o3.Irreps("8x0e"),
                atomic_energies=np.tile(-1.0 - 0.1 * np.arange(len(numbers)), (len(heads), 1)),
                avg_num_neighbors=10.0,
                atomic_numbers=numbers,
                correlation=2,
                gate=torch.nn.functional.silu,
                radial_MLP=[16, 16],
                heads=list(heads),
                atomic_inter_scale=[2.0] * len(heads),
                atomic_inter_shift=[0.0] * len(heads),
            )
            model = modules.ScaleShiftMACE(**arguments | changes)
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(model, path)
    finally:
        torch.set_default_dtype(before)
    return path
