"""The network of Nequix, summed over the neighbours of an atom in blocks that fit a processor's cache.

The weights, the functions and the order of layers are those of ``nequix.model``; only the messages between
neighbours are computed in another way. There, every message of every pair of neighbours is written to memory
(5472 numbers, 20 kB) with its components innermost, and added to its atom. Here pairs are sorted by the
atom that receives and taken eight at a time: product with the spherical harmonics and sum over the eight are
one multiplication of small matrices, channels innermost, and a loop goes over as many blocks as there are.
One compiled program thus serves any number of pairs and, weights being arguments, any model of the
architecture.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Self, cast

import numpy as np
from numpy.typing import NDArray

#: Pairs of neighbours in a block; all have the same receiver.
BLOCK = 8
#: Least atoms and blocks that a program has room for; more are had by doubling, and by four.
LEAST_ATOMS, LEAST_BLOCKS = 16, 512


@dataclass(frozen=True)
class Architecture:
    """What determines the compiled program, apart from its room; names are those of ``nequix.model.Nequix``.

    Parameters
    ----------
    n_species, lmax, n_layers, radial_basis_size, radial_mlp_size, radial_mlp_layers : int
        Sizes.
    cutoff, radial_polynomial_p, mlp_init_scale : float
        Cutoff, Å, power of its envelope; the last one sets weights that are replaced.
    hidden_irreps : str
        Features of an atom.
    index_weights, layer_norm : bool
        Parts that it has.
    """

    n_species: int
    lmax: int
    n_layers: int
    radial_basis_size: int
    radial_mlp_size: int
    radial_mlp_layers: int
    cutoff: float
    radial_polynomial_p: float
    mlp_init_scale: float
    hidden_irreps: str
    index_weights: bool
    layer_norm: bool

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Self:
        """Of the first line of a ``.nqx`` file."""
        given = {**config, "n_species": len(config["atomic_numbers"])}
        return cls(**{field.name: given[field.name] for field in fields(cls)})


class Weights(NamedTuple):
    """The numbers of a model, which its program takes as arguments: a ``nequix`` model and three factors."""

    arrays: Any
    shift: Any
    scale: Any
    mean_neighbours: Any


class Graph(NamedTuple):
    """Configurations as one graph: pairs sorted by receiver, those of each in blocks of :data:`BLOCK`.

    Parameters
    ----------
    species : (n_atoms,) int array
        Index of the element.
    vectors : (n_pairs, 3) float array
        From the receiver to the sender, Å.
    receivers, senders : (n_pairs,) int array
        Atoms.
    """

    species: NDArray[np.int32]
    vectors: NDArray[np.floating]
    receivers: NDArray[np.int32]
    senders: NDArray[np.int32]


def in_float64(weights: Weights) -> Weights:
    """The same numbers in float64, made and used where JAX has that precision (``jax.enable_x64``)."""
    import jax

    return cast(Weights, jax.tree.map(lambda leaf: leaf.astype(np.float64), weights))


def read_model(path: Path) -> tuple[Architecture, Weights, Mapping[str, Any]]:
    """Architecture, weights and configuration of a ``.nqx`` file."""
    import equinox
    import jax.numpy as jnp

    with path.open("rb") as file:
        config = json.loads(file.readline())
        architecture = Architecture.of(config)
        model = equinox.tree_deserialise_leaves(file, _skeleton(architecture))
    factors = (jnp.float32(config[name]) for name in ("shift", "scale", "avg_n_neighbors"))
    return architecture, Weights(equinox.filter(model, equinox.is_array), *factors), config


@cache
def _skeleton(architecture: Architecture) -> Any:
    """A model without numbers: shapes instead of arrays, one for all models so that they share programs."""
    import equinox
    import jax
    from nequix.model import Nequix

    given = {field.name: getattr(architecture, field.name) for field in fields(Architecture)}
    return equinox.filter_eval_shape(lambda key: Nequix(key, **given), jax.random.key(0))


def energies_and_gradients(
    architecture: Architecture, weights: Weights, graph: Graph, *, blocks_at_once: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Energies of atoms, and the derivative of their sum by the vector of each pair.

    Parameters
    ----------
    architecture : Architecture
        Of the model.
    weights : Weights
        Its numbers.
    graph : Graph
        The configurations.
    blocks_at_once : int
        Blocks in one turn of the loop: few, so that they stay in the cache of a processor; many on an
        accelerator.

    Returns
    -------
    (n_atoms,) array, (n_pairs, 3) array
        eV, eV/Å.
    """
    filled = _Filled.of(architecture, weights, graph, blocks_at_once)
    energies, gradients = _program(architecture)(weights, *filled.arguments())
    return np.asarray(energies, dtype=np.float64)[: len(graph.species)], filled.by_pair(gradients)


def gradient_changes(
    architecture: Architecture,
    weights: Weights,
    graph: Graph,
    directions: NDArray[np.float64],
    *,
    blocks_at_once: int,
) -> NDArray[np.float64]:
    """Derivative of the gradients of :func:`energies_and_gradients` along changes of the vectors of pairs.

    Parameters
    ----------
    architecture, weights, graph, blocks_at_once
        As there.
    directions : (n, n_pairs, 3) array
        Å; taken one by one.

    Returns
    -------
    (n, n_pairs, 3) array
        eV/Å.
    """
    filled = _Filled.of(architecture, weights, graph, blocks_at_once)
    program, arguments = _program(architecture, second=True), filled.arguments()
    changes = [program(weights, filled.vectors(direction, 0.0), *arguments) for direction in directions]
    return np.array([filled.by_pair(change) for change in changes])


class _Filled(NamedTuple):
    """A graph in the room of a program: pairs in blocks, what is left over without effect."""

    architecture: Architecture
    dtype: Any
    graph: Graph
    slots: NDArray[np.intp]
    counts: NDArray[np.intp]
    blocks_at_once: int

    @classmethod
    def of(cls, architecture: Architecture, weights: Weights, graph: Graph, blocks_at_once: int) -> Self:
        """Of a graph, for weights of a precision."""
        counts = -(-np.bincount(graph.receivers, minlength=len(graph.species)) // BLOCK)
        slots = _slots(graph.receivers, counts)
        return cls(architecture, weights.shift.dtype, graph, slots, counts, blocks_at_once)

    @property
    def turns(self) -> int:
        """How many turns of the loop there is room for."""
        return -(-room(int(self.counts.sum()), LEAST_BLOCKS, 4) // self.blocks_at_once)

    def vectors(self, values: NDArray[Any], left_over: float) -> NDArray[Any]:
        """A vector for each place, of each pair; the first component where there is none."""
        vectors = np.zeros((self.turns * self.blocks_at_once * BLOCK, 3), dtype=self.dtype)
        vectors[:, 0] = left_over
        vectors[self.slots] = values
        return vectors.reshape(self.turns, self.blocks_at_once, BLOCK, 3)

    def arguments(self) -> tuple[Any, ...]:
        """What programs are given, after the weights."""
        graph, n_blocks, shape = self.graph, int(self.counts.sum()), (self.turns, self.blocks_at_once)
        senders = np.zeros(self.turns * self.blocks_at_once * BLOCK, dtype=np.int32)
        senders[self.slots] = graph.senders
        receivers = np.zeros(self.turns * self.blocks_at_once, dtype=np.int32)
        receivers[:n_blocks] = np.repeat(np.arange(len(graph.species)), self.counts)
        species = np.zeros(room(len(graph.species), LEAST_ATOMS, 2), dtype=np.int32)
        species[: len(graph.species)] = graph.species
        return (
            species,
            # places without a pair hold one beyond the cutoff, which sends nothing
            self.vectors(graph.vectors, 2.0 * self.architecture.cutoff),
            senders.reshape(*shape, BLOCK),
            receivers.reshape(shape),
            np.int32(-(-n_blocks // self.blocks_at_once)),
        )

    def by_pair(self, values: Any) -> NDArray[np.float64]:
        """What a program has for each place, for each pair."""
        return np.asarray(values, dtype=np.float64).reshape(-1, 3)[self.slots]


def room(needed: int, least: int, factor: int) -> int:
    """The least of ``least``, ``least * factor``, ``least * factor**2``, … that is enough."""
    enough = least
    while enough < needed:
        enough *= factor
    return enough


def _slots(receivers: NDArray[np.int32], counts: NDArray[np.intp]) -> NDArray[np.intp]:
    """Place of each pair when those of each receiver fill blocks of their own."""
    pairs = np.bincount(receivers, minlength=len(counts))
    first_block, first_pair = np.cumsum(counts) - counts, np.cumsum(pairs) - pairs
    slots: NDArray[np.intp] = (
        first_block[receivers] * BLOCK + np.arange(len(receivers)) - first_pair[receivers]
    )
    return slots


@cache
def _program(architecture: Architecture, *, second: bool = False) -> Any:
    """Energies of atoms and the derivatives by vectors, compiled by JAX for each room.

    With `second` the change of these derivatives along a change of the vectors, given after the weights.
    """
    import equinox
    import jax

    fixed = equinox.filter(_skeleton(architecture), lambda leaf: not isinstance(leaf, jax.ShapeDtypeStruct))

    def nequix(weights: Weights, species: Any, vectors: Any, *pairs: Any) -> Any:
        model = equinox.combine(weights.arrays, fixed)

        def total(vectors: Any) -> Any:
            energies = _atom_energies(model, weights, species, vectors, pairs)
            return energies.sum(), energies

        gradients, energies = jax.grad(total, has_aux=True)(vectors)
        return energies, gradients

    def changes(weights: Weights, direction: Any, species: Any, vectors: Any, *pairs: Any) -> Any:
        def gradients(vectors: Any) -> Any:
            return nequix(weights, species, vectors, *pairs)[1]

        return jax.jvp(gradients, (vectors,), (direction,))[1]

    return jax.jit(changes if second else nequix)


def _atom_energies(model: Any, weights: Weights, species: Any, vectors: Any, pairs: Sequence[Any]) -> Any:
    """As ``Nequix.node_energies``."""
    import e3nn_jax as e3nn
    import jax
    import jax.numpy as jnp
    from nequix.model import bessel_basis, polynomial_cutoff

    distances = jnp.sqrt(jnp.sum(vectors**2, axis=-1)).reshape(-1)
    envelope = polynomial_cutoff(distances, model.cutoff, model.radial_polynomial_p)
    radial = bessel_basis(distances, model.radial_basis_size, model.cutoff) * envelope[:, None]
    radial = radial.reshape(*vectors.shape[:-1], -1)
    angular = e3nn.spherical_harmonics(
        e3nn.s2_irreps(model.lmax), vectors, normalize=True, normalization="component"
    )
    one_hot = jax.nn.one_hot(species, model.n_species)
    features = e3nn.IrrepsArray(e3nn.Irreps(f"{model.n_species}x0e"), one_hot)
    for layer in model.layers:
        messages = _messages(layer, layer.linear_1(features), radial, angular, pairs)
        messages = messages / jnp.sqrt(weights.mean_neighbours)
        skip = layer.skip(species, features) if layer.index_weights else layer.skip(features)
        features = layer.linear_2(messages) + skip
        if layer.layer_norm is not None:
            features = layer.layer_norm(features)
        features = e3nn.gate(features, even_act=jax.nn.silu, odd_act=jax.nn.tanh, even_gate_act=jax.nn.silu)
    energies = model.readout(features).array[:, 0]
    return energies * weights.scale + weights.shift + model.atom_energies[species]


class _Path(NamedTuple):
    """One way in which features and spherical harmonics combine: from which chunks, to what, and how."""

    feature: int
    harmonic: int
    channels: int
    irrep: Any
    coefficients: NDArray[np.float32]


def _paths(features: Any, harmonics: Any, wanted: Any) -> list[_Path]:
    """Those of ``e3nn_jax.tensor_product``, in the order in which the radial network has its outputs."""
    import e3nn_jax as e3nn

    found = [
        _Path(
            i,
            j,
            channels,
            irrep,
            np.asarray(e3nn.clebsch_gordan(one.l, other.l, irrep.l) * np.sqrt(irrep.dim), dtype=np.float32),
        )
        for i, (channels, one) in enumerate(features)
        for j, (_, other) in enumerate(harmonics)
        for irrep in one * other
        if irrep in wanted
    ]
    order = e3nn.Irreps([(path.channels, path.irrep) for path in found]).sort().inv
    return [found[index] for index in order]


def _messages(layer: Any, features: Any, radial: Any, angular: Any, pairs: Sequence[Any]) -> Any:
    """What every atom receives from its neighbours."""
    import e3nn_jax as e3nn
    import jax.numpy as jnp

    features = features.regroup()
    paths = _paths(features.irreps, angular.irreps, [irrep for _, irrep in layer.tp_irreps])
    sums = _sum_over_blocks(paths, [irrep.dim for _, irrep in angular.irreps])(
        tuple(jnp.swapaxes(chunk, -1, -2) for chunk in features.chunks),
        tuple(linear.weights for linear in layer.radial_mlp.layers),
        radial,
        angular.array,
        *pairs,
    )
    return e3nn.from_chunks(
        e3nn.Irreps([(path.channels, path.irrep) for path in paths]),
        [jnp.swapaxes(chunk, -1, -2) for chunk in sums],
        features.shape[:-1],
        radial.dtype,
    ).regroup()


def _sum_over_blocks(paths: Sequence[_Path], dimensions: Sequence[int]) -> Any:
    """The function that loops over blocks, with its derivative: a loop of unknown length has none in JAX."""
    import jax
    import jax.numpy as jnp

    def block_sums(features: Any, network: Any, radial: Any, angular: Any) -> tuple[Any, ...]:
        """(n_blocks, 2l + 1, channels) for each path, of (n_blocks, BLOCK, 2l + 1, channels) features."""
        n_blocks = len(radial)
        hidden = radial.reshape(n_blocks * BLOCK, -1)
        for weights in network[:-1]:
            hidden = jax.nn.silu(hidden @ weights)
        factors = (hidden @ network[-1]).reshape(n_blocks, BLOCK, -1)
        split = jax.lax.split(factors, [path.channels for path in paths], axis=2)
        harmonics = jax.lax.split(angular, dimensions, axis=2)
        sums = []
        for path, factor in zip(paths, split, strict=True):
            turned = jnp.einsum("bdj,ijk->bkdi", harmonics[path.harmonic], path.coefficients)
            weighted = factor[:, :, None, :] * features[path.feature]
            sums.append(
                jnp.einsum(
                    "bkz,bzc->bkc",
                    turned.reshape(n_blocks, path.irrep.dim, -1),
                    weighted.reshape(n_blocks, -1, path.channels),
                )
            )
        return tuple(sums)

    def sum_over_blocks(
        features: Any, network: Any, radial: Any, angular: Any, senders: Any, receivers: Any, turns: Any
    ) -> tuple[Any, ...]:
        def turn(index: Any, sums: tuple[Any, ...]) -> tuple[Any, ...]:
            sent = tuple(chunk[senders[index]] for chunk in features)
            found = block_sums(sent, network, radial[index], angular[index])
            return tuple(
                total.at[receivers[index]].add(part) for total, part in zip(sums, found, strict=True)
            )

        nothing = tuple(
            jnp.zeros((len(features[0]), path.irrep.dim, path.channels), radial.dtype) for path in paths
        )
        return jax.lax.fori_loop(0, turns, turn, nothing)  # type: ignore[no-any-return]

    def forward(*arguments: Any) -> tuple[Any, Any]:
        return sum_over_blocks(*arguments), arguments

    def backward(arguments: Any, slopes: tuple[Any, ...]) -> tuple[Any, ...]:
        features, network, radial, angular, senders, receivers, turns = arguments

        def turn(index: Any, found: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
            by_features, by_radial, by_angular = found
            sent = tuple(chunk[senders[index]] for chunk in features)
            _, derivative = jax.vjp(
                lambda *varied: block_sums(varied[0], network, *varied[1:]),
                sent,
                radial[index],
                angular[index],
            )
            parts, part_radial, part_angular = derivative(tuple(slope[receivers[index]] for slope in slopes))
            return (
                tuple(
                    total.at[senders[index]].add(part) for total, part in zip(by_features, parts, strict=True)
                ),
                by_radial.at[index].set(part_radial),
                by_angular.at[index].set(part_angular),
            )

        nothing = jax.tree.map(jnp.zeros_like, (features, radial, angular))
        by_features, by_radial, by_angular = jax.lax.fori_loop(0, turns, turn, nothing)
        fixed = jax.tree.map(jnp.zeros_like, network)
        return by_features, fixed, by_radial, by_angular, None, None, None

    summed = jax.custom_vjp(sum_over_blocks)
    summed.defvjp(forward, backward)
    return summed
