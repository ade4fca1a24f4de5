"""Space `sequence`: networks for time series and spectrograms, in forms that run in int8 on microcontrollers.

A series (time, channels) is given to one of four forms: stages of temporal convolutions (``conv``), a
temporal convolutional network with dilated residual blocks (``tcn``, Bai et al. 2018), an ``lstm`` or a
``gru`` behind a convolution that shortens the series. An array (time, bands, channels), for example a
spectrogram, has a fifth: depthwise-separable convolutions over both axes (``ds``, Zhang et al. 2017 and
MLPerf Tiny's keyword spotting); to the other forms its bands are channels.

The LSTM is one operation of TFLite. A GRU is written out step after step, some 16 operations and 2 KiB of
flash a step, so it reads few steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from edgenas.arch.chooser import Chooser
from edgenas.arch.graph import Op, Shape
from edgenas.arch.reach import Reach, blocks_of
from edgenas.arch.space import SPACES, SearchSpace
from edgenas.arch.spec import ArchSpec, Block, Value
from edgenas.errors import ConfigError

FILTERS = (8, 12, 16, 24, 32, 48, 64)
KERNELS = (3, 5, 7, 9)
STRIDES = (1, 2, 4)
STAGES = (1, 2, 3, 4)
POOLS = ("avg", "max")
TCN_BLOCKS = (1, 2, 3, 4, 5)
TCN_KERNELS = (3, 5, 7)
TCN_POOLS = ("avg", "max", "last")
LSTM_STRIDES = (1, 2, 4, 8)
LSTM_UNITS = (8, 16, 24, 32, 48)
LSTM_POOLS = ("avg", "last")
GRU_STEPS = (4, 6, 8)
GRU_UNITS = (8, 16, 24, 32)
STEM_WINDOWS = ("3x3", "5x3", "10x4")
DS_STRIDES = (1, 2)
DS_KERNELS = (3, 5)
Form = Callable[["SequenceSpace", Chooser], list[Block]]


@SPACES.register("sequence")
class SequenceSpace(SearchSpace):
    """Temporal convolutions, LSTM, GRU, and separable convolutions over spectrograms.

    Raises:
        ConfigError: The input has neither two nor three axes, or fewer than 2 steps of time.
    """

    name = "sequence"
    unshared = "choice form gives convolutions, dilated blocks or recurrent cells, which share nothing"
    heads = ("softmax", "linear")

    def __init__(self, input_shape: Shape, classes: int, head: str = "softmax") -> None:
        super().__init__(input_shape, classes, head)
        if len(self.input_shape) not in (2, 3) or min(self.input_shape) < 1 or self.input_shape[0] < 2:
            raise ConfigError(
                "space 'sequence' needs series of shape (time, channels) or (time, bands, channels) with at "
                f"least 2 steps of time; given {self.input_shape}"
            )

    @property
    def forms(self) -> tuple[str, ...]:
        """Names of the forms that fit the input."""
        return ("conv", "tcn", "lstm", "gru", *(("ds",) if len(self.input_shape) == 3 else ()))

    @property
    def gru_strides(self) -> tuple[int, ...]:
        """Strides that leave a GRU some of `GRU_STEPS` steps; at most that many of a short series."""
        return tuple(sorted({-(-self.input_shape[0] // steps) for steps in GRU_STEPS}))

    def decide(self, chooser: Chooser) -> ArchSpec:
        """The architecture that the chooser's answers describe."""
        blocks = _FORMS[chooser.choice("form", self.forms)](self, chooser)
        return ArchSpec(self.name, self.input_shape, self.classes, tuple(blocks), dict(chooser.values))

    def conv(self, chooser: Chooser) -> list[Block]:
        """Stages of temporal convolutions, the first a full one."""
        blocks = [Block("series", {})]
        for stage in range(1, chooser.choice("conv_stages", STAGES) + 1):
            name = f"conv{stage}"
            args: dict[str, Value] = {
                "filters": chooser.choice(f"{name}_filters", FILTERS),
                "kernel": chooser.choice(f"{name}_kernel", KERNELS),
                "stride": chooser.choice(f"{name}_stride", STRIDES),
                "separable": chooser.flag(f"{name}_separable") if stage > 1 else False,
            }
            blocks.append(Block("tconv", args))
        return [*blocks, self._ending(chooser.choice("conv_pool", POOLS))]

    def tcn(self, chooser: Chooser) -> list[Block]:
        """A first convolution, then residual blocks whose dilation doubles."""
        blocks = [Block("series", {}), self._first(chooser, "tcn", STRIDES)]
        args: dict[str, Value] = {
            "kernel": chooser.choice("tcn_kernel", TCN_KERNELS),
            "separable": chooser.flag("tcn_separable"),
            "causal": chooser.flag("tcn_causal"),
        }
        depth = chooser.choice("tcn_blocks", TCN_BLOCKS)
        blocks += [Block("tcn", {**args, "dilation": 2**position}) for position in range(depth)]
        return [*blocks, self._ending(chooser.choice("tcn_pool", TCN_POOLS))]

    def lstm(self, chooser: Chooser) -> list[Block]:
        """A convolution that may shorten the series, then an LSTM."""
        first = self._first(chooser, "lstm", LSTM_STRIDES)
        units = chooser.choice("lstm_units", LSTM_UNITS)
        ending = self._ending(chooser.choice("lstm_pool", LSTM_POOLS))
        return [Block("series", {}), first, Block("lstm", {"units": units}), ending]

    def gru(self, chooser: Chooser) -> list[Block]:
        """A convolution that leaves a few steps, then a GRU."""
        stride = chooser.choice("gru_stride", self.gru_strides)
        kernel = 2 * stride if chooser.flag("gru_overlap") else stride
        filters = chooser.choice("gru_filters", FILTERS)
        units = chooser.choice("gru_units", GRU_UNITS)
        first = Block("tconv", {"filters": filters, "kernel": kernel, "stride": stride})
        return [Block("series", {}), first, Block("gru", {"units": units}), self._ending("avg")]

    def ds(self, chooser: Chooser) -> list[Block]:
        """A full convolution, then depthwise-separable blocks over time and bands."""
        frames, bands = map(int, chooser.choice("ds_window", STEM_WINDOWS).split("x"))
        filters = chooser.choice("ds_filters", FILTERS)
        stem = {"filters": filters, "frames": frames, "bands": bands}
        blocks = [Block("spectrogram_stem", {**stem, "stride": chooser.choice("ds_stride", DS_STRIDES)})]
        for stage in range(1, chooser.choice("ds_stages", STAGES) + 1):
            args: dict[str, Value] = {
                "filters": chooser.choice(f"ds{stage}_filters", FILTERS),
                "kernel": chooser.choice(f"ds{stage}_kernel", DS_KERNELS),
                "stride": chooser.choice(f"ds{stage}_stride", DS_STRIDES),
                "skip": chooser.flag(f"ds{stage}_skip"),
            }
            blocks.append(Block("ds", args))
        return [*blocks, self.classifier]

    def _first(self, chooser: Chooser, form: str, strides: tuple[int, ...]) -> Block:
        args = {
            "filters": chooser.choice(f"{form}_filters", FILTERS),
            "kernel": chooser.choice(f"{form}_first_kernel", KERNELS),
            "stride": chooser.choice(f"{form}_stride", strides),
        }
        return Block("tconv", args)

    def _ending(self, pool: str) -> Block:
        return Block("series_head", {"pool": pool, **self.classifier.args})

    def operations(self) -> Iterator[Op]:
        """Every operation of the space: all blocks on all shapes that reach them."""
        reach = Reach()
        series = reach.put([self.input_shape], [Block("series", {})])
        self._reach_conv(reach, series)
        self._reach_tcn(reach, series)
        self._reach_recurrent(reach, series)
        if len(self.input_shape) == 3:
            self._reach_ds(reach)
        yield from reach

    def _reach_conv(self, reach: Reach, shapes: set[Shape]) -> None:
        args = {"filters": FILTERS, "kernel": KERNELS, "stride": STRIDES}
        full = blocks_of("tconv", {**args, "separable": (False,)})
        both = blocks_of("tconv", {**args, "separable": (False, True)})
        shapes = reach.put(shapes, full)
        ending = [self._ending(pool) for pool in POOLS]
        reach.put(shapes, ending)
        for _ in STAGES[1:]:
            shapes = reach.put(shapes, both)
            reach.put(shapes, ending)

    def _reach_tcn(self, reach: Reach, series: set[Shape]) -> None:
        first = {"filters": FILTERS, "kernel": KERNELS, "stride": STRIDES}
        dilations = [2**position for position in range(max(TCN_BLOCKS))]
        args = {"kernel": TCN_KERNELS, "separable": (False, True), "causal": (False, True)}
        shapes = reach.put(series, blocks_of("tconv", first))
        shapes = reach.put(shapes, blocks_of("tcn", {**args, "dilation": dilations}))
        reach.put(shapes, [self._ending(pool) for pool in TCN_POOLS])

    def _reach_recurrent(self, reach: Reach, series: set[Shape]) -> None:
        first = {"filters": FILTERS, "kernel": KERNELS, "stride": LSTM_STRIDES}
        states = reach.put(
            reach.put(series, blocks_of("tconv", first)), blocks_of("lstm", {"units": LSTM_UNITS})
        )
        reach.put(states, [self._ending(pool) for pool in LSTM_POOLS])
        gru = blocks_of("gru", {"units": GRU_UNITS})
        for stride in self.gru_strides:
            first = {"filters": FILTERS, "kernel": (stride, 2 * stride), "stride": (stride,)}
            reach.put(reach.put(reach.put(series, blocks_of("tconv", first)), gru), [self._ending("avg")])

    def _reach_ds(self, reach: Reach) -> None:
        windows = [tuple(map(int, window.split("x"))) for window in STEM_WINDOWS]
        stems = [
            stem
            for frames, bands in windows
            for stem in blocks_of(
                "spectrogram_stem",
                {"filters": FILTERS, "frames": (frames,), "bands": (bands,), "stride": DS_STRIDES},
            )
        ]
        args = {"filters": FILTERS, "kernel": DS_KERNELS, "stride": DS_STRIDES, "skip": (False, True)}
        shapes = reach.put([self.input_shape], stems)
        for _ in STAGES:
            shapes = reach.put(shapes, blocks_of("ds", args))
            reach.put(shapes, [self.classifier])


_FORMS: dict[str, Form] = {
    "conv": SequenceSpace.conv,
    "tcn": SequenceSpace.tcn,
    "lstm": SequenceSpace.lstm,
    "gru": SequenceSpace.gru,
    "ds": SequenceSpace.ds,
}
