"""What a device makes of the int8 outputs of a network, one task a file, in Python as the C sources do it."""

from edgenas.deploy.outputs.anomaly import AnomalyOutputs
from edgenas.deploy.outputs.classification import ClassOutputs
from edgenas.deploy.outputs.outputs import OUTPUTS, Outputs, Words, outputs_of
from edgenas.deploy.outputs.regression import TargetOutputs

__all__ = [
    "OUTPUTS",
    "AnomalyOutputs",
    "ClassOutputs",
    "Outputs",
    "TargetOutputs",
    "Words",
    "outputs_of",
]
