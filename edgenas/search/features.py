"""Features of an architecture for surrogate models: its decisions, and its graph of operations.

What a network learns depends on the operations that data pass from input to output, not only on
the decisions that led to them. So, besides the decisions, a network is described by its size, the
number and lengths of its paths, and by how many operations of each kind lie on a path at least, at
most, on average over paths, and on a random walk. (Graph-aware encodings beat one-hot ones: White
et al. 2020, "A Study on Encodings for Neural Architecture Search"; parameters and MACs alone are
strong predictors: White et al. 2022, "A Deeper Look at Zero-Cost Proxies".)
"""

from __future__ import annotations

from math import exp, log, log1p, prod
from weakref import WeakKeyDictionary

import numpy as np

from edgenas.arch.graph import Op, OpGraph
from edgenas.arch.space import SearchSpace
from edgenas.arch.spec import ArchSpec, Value

SAMPLES = 128
"""Seeded samples from which a space's decisions, kinds of operations and scales are learned."""

REMEMBERED = 20_000
"""How many architectures' features are kept."""

FARTHEST = 6.0
"""Features beyond this many standard deviations are cut off."""

LEARNING = frozenset({"conv2d", "depthwise_conv2d", "dense", "lstm"})
_NOT_ASKED = "\0"
Groups = tuple[np.ndarray, np.ndarray]


def kind_label(op: Op) -> str:
    """What an operation counts as: its kind, with window and stride."""
    step = "/2" if max(op.stride) > 1 else ""
    return f"{op.kind} {op.kernel[0]}x{op.kernel[1]}{step}"


class Encoder:
    """Turns specs of one space into two standardized vectors: decisions and network.

    Scales are such that two random architectures are about 1 apart in each group.

    Args:
        space: Any space; 128 seeded samples are looked at once.
    """

    def __init__(self, space: SearchSpace) -> None:
        self.space = space
        specs = [space.sample(np.random.default_rng(seed)) for seed in range(SAMPLES)]
        seen: dict[str, set[Value]] = {}
        for spec in specs:
            for name, value in spec.choices.items():
                seen.setdefault(name, set()).add(value)
        self.options = {name: _in_order(values) for name, values in sorted(seen.items())}
        self._decided: list[tuple[str, dict[Value, int], int, bool]] = []
        self._columns = 0
        for name, options in self.options.items():
            scale = len(options) > 2 and all(type(option) in (int, float) for option in options)
            places = {option: place for place, option in enumerate(options)}
            self._decided.append((name, places, self._columns, scale))
            self._columns += len(options) + scale
        graphs = [space.graph(spec) for spec in specs]
        labels = sorted({kind_label(op) for graph in graphs for op in graph.ops})
        self.kinds = {label: position for position, label in enumerate(labels)}
        self._scales = (
            _Scale(np.array([self._decisions(spec) for spec in specs])),
            _Scale(np.array([graph_features(graph, self.kinds) for graph in graphs])),
        )
        self._known: dict[str, Groups] = {}

    def groups(self, spec: ArchSpec, graph: OpGraph | None = None) -> Groups:
        """Standardized features of the decisions and of the network, float arrays of fixed lengths."""
        key = spec.arch_id
        if key not in self._known:
            if len(self._known) >= REMEMBERED:
                self._known.pop(next(iter(self._known)))
            network = graph_features(graph or self.space.graph(spec), self.kinds)
            self._known[key] = (self._scales[0](self._decisions(spec)), self._scales[1](network))
        return self._known[key]

    def _decisions(self, spec: ArchSpec) -> np.ndarray:
        """One-hot decisions, and the position on the scale of those that are numbers."""
        row = np.zeros(self._columns)
        for name, places, first, scale in self._decided:
            place = places.get(spec.choices.get(name, _NOT_ASKED))
            if place is not None:
                row[first + place] = 1.0
            if scale:
                row[first + len(places)] = -1.0 if place is None else place / (len(places) - 1)
        return row


_ENCODERS: WeakKeyDictionary[SearchSpace, Encoder] = WeakKeyDictionary()


def encoder_of(space: SearchSpace) -> Encoder:
    """The encoder of a space; searchers of one space share it and what it remembers."""
    if space not in _ENCODERS:
        _ENCODERS[space] = Encoder(space)
    return _ENCODERS[space]


def _in_order(values: set[Value]) -> tuple[Value, ...]:
    """Numbers by size, everything else by its text."""
    if all(type(value) in (int, float) for value in values):
        return tuple(sorted(values))
    return tuple(sorted(values, key=lambda value: (type(value).__name__, str(value))))


class _Scale:
    """Standardizes columns by a sample, drops those that are constant in it, and sets the distance."""

    def __init__(self, sample: np.ndarray) -> None:
        spread = sample.std(axis=0)
        self.varies = spread > 1e-9
        self.centre = sample[:, self.varies].mean(axis=0)
        self.spread = spread[self.varies]
        self.norm = max(1.0, float(np.sqrt(2 * self.varies.sum())))  # two samples differ by sqrt(2) a column

    def __call__(self, row: np.ndarray) -> np.ndarray:
        standard = (row[self.varies] - self.centre) / self.spread
        return np.asarray(np.clip(standard, -FARTHEST, FARTHEST) / self.norm)


def graph_features(graph: OpGraph, kinds: dict[str, int]) -> np.ndarray:
    """Sizes, paths and operations of a network.

    Args:
        graph: The network; its last operation writes the output.
        kinds: Column of each label of `kind_label`; other operations count in no column of their own.

    Returns:
        float array of shape (9 + 6 * len(kinds),).
    """
    columns = [kinds.get(kind_label(op), len(kinds)) for op in graph.ops]
    count = np.bincount(columns, minlength=len(kinds) + 1).astype(float)
    macs = np.bincount(columns, [op.macs for op in graph.ops], len(kinds) + 1)
    written = sum(prod(op.out_shape) for op in graph.ops)
    paths = _Paths(graph, columns, len(kinds) + 1)
    sizes = [log1p(macs.sum()), log1p(graph.params), log1p(written), len(graph.ops), *paths.lengths()]
    by_kind = [count, np.log1p(macs), *paths.by_kind()]
    return np.concatenate([sizes, *[column[:-1] for column in by_kind]])


class _Paths:
    """Operations on the paths from input to output, by dynamic programming over the graph.

    Row ``t`` belongs to tensor ``t``; the columns are kinds of operations, and in the last place the number
    of operations with weights.
    """

    def __init__(self, graph: OpGraph, columns: list[int], kinds: int) -> None:
        tensors = len(graph.ops) + 1
        self.counts = np.zeros((4, tensors, kinds + 1))
        """Least, most negated, mean over paths, and mean on a walk back from the output."""
        self.squares = [0.0] * tensors
        self.log_paths = [0.0] * tensors
        for tensor, (op, column) in enumerate(zip(graph.ops, columns, strict=True), start=1):
            learns = op.kind in LEARNING
            if len(op.inputs) == 1:
                self._follow(tensor, op.inputs[0], learns)
            else:
                self._join(tensor, list(op.inputs), learns)
            self.counts[:, tensor, column] += _ONE_MORE
            if learns:
                self.counts[:, tensor, -1] += _ONE_MORE

    def _follow(self, tensor: int, source: int, learns: bool) -> None:
        self.counts[:, tensor] = self.counts[:, source]
        self.log_paths[tensor] = self.log_paths[source]
        grown = 2 * float(self.counts[2, source, -1]) + 1 if learns else 0.0
        self.squares[tensor] = self.squares[source] + grown

    def _join(self, tensor: int, sources: list[int], learns: bool) -> None:
        top = max(self.log_paths[source] for source in sources)
        shares = np.array([exp(self.log_paths[source] - top) for source in sources])
        self.log_paths[tensor] = top + log(shares.sum())
        shares /= shares.sum()
        self.counts[:2, tensor] = self.counts[:2, sources].min(axis=1)
        self.counts[2, tensor] = shares @ self.counts[2, sources]
        self.counts[3, tensor] = self.counts[3, sources].mean(axis=0)
        grown = 2 * float(self.counts[2, tensor, -1]) + 1 if learns else 0.0
        self.squares[tensor] = float(shares @ [self.squares[source] for source in sources]) + grown

    def lengths(self) -> list[float]:
        """Logarithm of the number of paths; operations with weights on them: most, least, mean, spread."""
        least, most, mean, _ = self.counts[:, -1, -1].tolist()
        spread = max(0.0, self.squares[-1] - mean**2) ** 0.5
        return [self.log_paths[-1], -most, least, mean, spread]

    def by_kind(self) -> list[np.ndarray]:
        """Operations of each kind on a path: least, most, mean over paths, mean on a random walk."""
        least, most, mean, walk = self.counts[:, -1, :-1]
        return [least, -most, mean, walk]


_ONE_MORE = np.array([1.0, -1.0, 1.0, 1.0])
