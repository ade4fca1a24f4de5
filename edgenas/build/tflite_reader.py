"""State and checks while the operators of a ``.tflite`` file are read one by one."""

from __future__ import annotations

from dataclasses import replace

from edgenas.arch.graph import Op, Shape
from edgenas.build.reading import GraphReader
from edgenas.build.tflite_tables import NUMBERS, OperatorTable, Table, TensorTable, TfliteFile
from edgenas.errors import UnsupportedError

_ACTIVATIONS = {0: "linear", 1: "relu", 3: "relu6"}


class TfliteReader(GraphReader):
    """Appends the file's operators; `ids` maps the file's tensors to the graph's.

    `folded` are tensors that follow from constants and shapes alone, so that no operation of the
    graph writes them. `owners` names the operation that first read a tensor of weights.
    """

    def __init__(self, file: TfliteFile) -> None:
        if len(file.inputs) != 1:
            raise UnsupportedError(f"a .tflite file with {len(file.inputs)} inputs was given; expected one")
        image = file.tensors[file.inputs[0]]
        if len(image.shape) < 2 or image.shape[0] != 1:
            raise UnsupportedError(
                f"input '{image.name}' has shape {image.shape}; expected a batch of 1 and one more axis"
            )
        super().__init__(house_shape(image))
        self.file = file
        self.ids = {file.inputs[0]: 0}
        self.folded: set[int] = set()
        self.owners: dict[int, str] = {}

    def refusal(self, operator: OperatorTable, why: str) -> UnsupportedError:
        """The error for a form of an operation that has no cost."""
        return UnsupportedError(f"operation {operator.label} {why}")

    def tensor(self, number: int) -> TensorTable:
        """A tensor of the file that holds numbers.

        Raises:
            UnsupportedError: It holds something else.
        """
        tensor = self.file.tensors[number]
        if tensor.kind not in NUMBERS:
            raise UnsupportedError(
                f"tensor '{tensor.name}' is of type {tensor.type_name}; expected a network of numbers"
            )
        return tensor

    def is_constant(self, number: int) -> bool:
        """Whether a tensor's values are in the file, or follow from it."""
        return number in self.folded or self.file.tensors[number].is_constant

    def number_of(self, operator: OperatorTable, place: int) -> int:
        """Number of an operator's input in the file; -1 if it is left out."""
        return operator.inputs[place] if place < len(operator.inputs) else -1

    def input(self, operator: OperatorTable, place: int) -> int:
        """The graph's id of an operator's input.

        Raises:
            UnsupportedError: It is left out, a constant, or written by a later operation.
        """
        number = self.number_of(operator, place)
        if number not in self.ids:
            raise self.refusal(operator, f"reads no computed tensor as its input {place}; expected one")
        return self.ids[number]

    def constant(self, operator: OperatorTable, place: int, axes: int) -> TensorTable:
        """A constant input with that many axes.

        Raises:
            UnsupportedError: It is left out, computed, or has other axes.
        """
        number = self.number_of(operator, place)
        if number < 0 or not self.is_constant(number):
            raise self.refusal(operator, f"has no constant as its input {place}; expected one")
        tensor = self.file.tensors[number]
        if len(tensor.shape) != axes or min(tensor.shape, default=1) < 1:
            raise self.refusal(operator, f"has a constant of shape {tensor.shape}; expected {axes} axes")
        return tensor

    def options(self, operator: OperatorTable) -> Table:
        """The options of an operator that cannot do without.

        Raises:
            UnsupportedError: They are missing.
        """
        if operator.options is None:
            raise self.refusal(operator, "lacks its options; convert the model again")
        return operator.options

    def activation(self, operator: OperatorTable, field: int) -> str:
        """The activation that is fused into an operator.

        Raises:
            UnsupportedError: It is another than relu and relu6.
        """
        number = 0 if operator.options is None else operator.options.number(field, "b")
        if number not in _ACTIVATIONS:
            raise self.refusal(operator, f"has activation {number}; expected none, relu or relu6")
        return _ACTIVATIONS[number]

    def written(self, operator: OperatorTable) -> Shape:
        """Shape of an operator's first output, batch axis left out."""
        return house_shape(self.tensor(operator.outputs[0]))

    def append(self, operator: OperatorTable, op: Op) -> int:
        """Append an operation once its shape is that of the file, under the name of what it writes."""
        written = self.written(operator)
        if op.out_shape != written:
            raise self.refusal(operator, f"writes {written}; expected {op.out_shape} from its inputs")
        return self.add(replace(op, name=self.name(operator)))

    def name(self, operator: OperatorTable, output: int = 0) -> str:
        """Name of a written tensor; the converter lists all layers that it fused, the first of them last."""
        return self.file.tensors[operator.outputs[output]].name.split(";")[-1]


def house_shape(tensor: TensorTable) -> Shape:
    """Shape of an activation without its batch axis; all of it where the first axis is another.

    Raises:
        UnsupportedError: An axis has no elements.
    """
    if min(tensor.shape, default=1) < 1:
        raise UnsupportedError(
            f"tensor '{tensor.name}' has shape {tensor.shape}; expected 1 or more elements along each axis"
        )
    return tensor.shape[1:] if len(tensor.shape) > 1 and tensor.shape[0] == 1 else tensor.shape or (1,)
