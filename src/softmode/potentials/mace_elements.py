"""A MACE model of fewer elements: the weights of those that a crystal has, and the same arithmetic otherwise.

Foundation models take the element of an atom as a vector of 89 numbers, one of them 1, and multiply it with
weights of all 89. What is multiplied with 0 is left out here; the normalisation by the number of elements,
which e3nn puts into its products, is kept. What does not depend on elements is shared with the whole model.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

#: What is known to depend on elements in no other way than is taken care of here.
_MODELS = frozenset({"MACE", "ScaleShiftMACE"})
_INTERACTIONS = frozenset(
    f"RealAgnostic{kind}InteractionBlock"
    for kind in ("", "Residual", "Density", "DensityResidual", "AttResidual", "ResidualNonLinear")
)


def model_of_elements(model: Any, numbers: Collection[int]) -> Any:
    """A model of fewer elements.

    Parameters
    ----------
    model : mace.modules.MACE
        The whole model; not changed.
    numbers : collection of int
        Atomic numbers of the elements to keep.

    Returns
    -------
    mace.modules.MACE
        Gives the energies and forces of `model`, but for the last digits; it is `model` itself where that is
        built in a way not known here.
    """
    if not _is_known(model):
        return model
    keep = [index for index, number in enumerate(model.atomic_numbers.tolist()) if number in numbers]
    small = _copy(model)
    small.atomic_numbers = model.atomic_numbers[keep]
    small.atomic_energies_fn = _copy(model.atomic_energies_fn)
    small.atomic_energies_fn.atomic_energies = model.atomic_energies_fn.atomic_energies[..., keep]
    small.node_embedding = _with(model.node_embedding, keep, linear=_embedding)
    small.interactions = _all(model.interactions, lambda block: _interaction(block, keep))
    small.products = _all(model.products, lambda block: _product(block, keep))
    return small


def _is_known(model: Any) -> bool:
    """Whether all parts of a model are of the kinds taken care of here, in plain e3nn."""
    from e3nn import o3
    from mace.modules.symmetric_contraction import SymmetricContraction

    blocks = list(model.interactions)
    embeddings = [model.node_embedding.linear]
    embeddings += [getattr(block, name) for block in blocks for name in _EMBEDDINGS if hasattr(block, name)]
    skips = [block.skip_tp for block in blocks if hasattr(block, "skip_tp")]
    contractions = [block.symmetric_contractions for block in model.products]
    return (
        type(model).__name__ in _MODELS
        and {type(block).__name__ for block in blocks} <= _INTERACTIONS
        and all(type(each) is o3.Linear for each in embeddings)
        and all(type(each) in (o3.Linear, o3.FullyConnectedTensorProduct) for each in skips)
        and all(type(each) is SymmetricContraction for each in contractions)
    )


#: Parts of an interaction that are linear in the vector of elements.
_EMBEDDINGS = ("source_embedding", "target_embedding")


def _interaction(block: Any, keep: Sequence[int]) -> Any:
    from e3nn import o3

    changes = {name: _embedding for name in _EMBEDDINGS if hasattr(block, name)}
    if type(getattr(block, "skip_tp", None)) is o3.FullyConnectedTensorProduct:
        changes["skip_tp"] = _selector
    return _with(block, keep, **changes)


def _product(block: Any, keep: Sequence[int]) -> Any:
    agnostic = getattr(block, "use_agnostic_product", False)  # one set of weights for all elements
    return _with(block, [0] if agnostic else keep, symmetric_contractions=_contractions)


def _contractions(whole: Any, keep: Sequence[int]) -> Any:
    small = _copy(whole)
    small.contractions = _all(whole.contractions, lambda one: _contraction(one, keep))
    return small


def _contraction(whole: Any, keep: Sequence[int]) -> Any:
    """Products of the features of an atom with each other, with the weights of its element.

    MACE makes their coefficients of the weights for every atom anew, and of all elements; here that is done
    once, and each atom is multiplied with those of its own element.
    """
    import torch

    n_orders = whole.correlation

    class Contraction(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            for index, weights in enumerate([whole.weights_max, *whole.weights]):
                basis = whole.U_tensors(n_orders - index)
                self.register_buffer(
                    f"coefficients_{index}", torch.tensordot(weights[keep], basis, ([1], [-1]))
                )

        def forward(self, features: Any, elements: Any) -> Any:
            """From features (n_atoms, n_channels, n_lm) and elements (n_atoms, n_elements)."""
            element = elements.argmax(dim=1)
            atoms = [torch.nonzero(element == index).flatten() for index in range(len(keep))]
            parts = [self._of_element(features[rows], index) for index, rows in enumerate(atoms)]
            return torch.cat(parts)[torch.argsort(torch.cat(atoms))]

        def _of_element(self, features: Any, index: int) -> Any:
            n_atoms, n_channels, n_lm = features.shape
            by_channel = features.transpose(0, 1)
            highest = self.coefficients_0[index].reshape(n_channels, -1, n_lm)
            product = by_channel @ highest.transpose(1, 2)
            for order in range(1, n_orders):
                lower = getattr(self, f"coefficients_{order}")[index].reshape(n_channels, 1, -1)
                matrices = (product + lower).reshape(n_channels, n_atoms, -1, n_lm)
                product = (matrices @ by_channel[..., None]).squeeze(-1)
            return product.transpose(0, 1).reshape(n_atoms, -1)

    return Contraction()


def _embedding(whole: Any, keep: Sequence[int]) -> Any:
    """A linear function of the vector of elements."""
    from e3nn import o3

    small = o3.Linear(f"{len(keep)}x0e", whole.irreps_out)
    return _filled(small, whole, lambda weights: weights[keep])


def _selector(whole: Any, keep: Sequence[int]) -> Any:
    """A product of features with the vector of elements."""
    from e3nn import o3

    small = o3.FullyConnectedTensorProduct(whole.irreps_in1, f"{len(keep)}x0e", whole.irreps_out)
    return _filled(small, whole, lambda weights: weights[:, keep])


def _filled(small: Any, whole: Any, kept: Callable[[Any], Any]) -> Any:
    """`small` with weights of `whole`, scaled by what their normalisations differ."""
    import torch

    paths = zip(whole.weight_views(), whole.instructions, small.instructions, strict=True)
    weights = [kept(view) * (before.path_weight / now.path_weight) for view, before, now in paths]
    small.to(whole.weight)
    small.weight = _parameter(torch.cat([each.reshape(-1) for each in weights]))
    return small


def _parameter(values: Any) -> Any:
    import torch

    return torch.nn.Parameter(values, requires_grad=False)


def _with(module: Any, keep: Sequence[int], **changes: Callable[[Any, Sequence[int]], Any]) -> Any:
    """A copy of a module, some of its parts changed."""
    changed = _copy(module)
    for name, change in changes.items():
        setattr(changed, name, change(getattr(module, name), keep))
    return changed


def _all(modules: Any, change: Callable[[Any], Any]) -> Any:
    import torch

    return torch.nn.ModuleList([change(module) for module in modules])


def _copy(module: Any) -> Any:
    """A module that shares parts and weights with another until they are replaced.

    ``copy.copy`` would let both have the same tables of them, and writes TorchScript out and reads it back.
    """
    copied = object.__new__(type(module))
    copied.__dict__.update(module.__dict__)
    for table in ("_modules", "_parameters", "_buffers"):
        copied.__dict__[table] = dict(module.__dict__[table])
    return copied
