"""Every error edgenas raises on purpose.

    EdgenasError
    +-- UsageError            the user can mend it by changing the call (exit code 2)
    |   +-- UnknownNameError  no device, space, data set ... of that name (did you mean)
    |   +-- ConfigError       a setting that contradicts itself or another
    |   +-- BudgetError       a budget that nothing in the space can meet
    |   +-- DataError         a data set that cannot be trained on
    |   +-- StoreError        a run folder in use, too new, missing; a full disk
    |   +-- TableMissError    an operation that a latency table does not hold
    |   +-- UnsupportedError  an operation or model that a stage cannot handle
    +-- TrialError            one trial failed; the search goes on
    |   +-- WorkerLostError   its process or node was lost; it can be trained again
    +-- MeasurementError      a measurement too noisy or impossible to take
    +-- ParityError           an exported artifact does not do what its Keras model does

Each message says what was given, what is expected and how to mend it, in one line.
"""

from __future__ import annotations


class EdgenasError(Exception):
    """Root of all errors raised by edgenas on purpose; ends a command with exit code 1."""


class UsageError(EdgenasError):
    """The call is wrong, and the message says how to mend it; ends a command with exit code 2."""


class UnknownNameError(UsageError):
    """A name that no registered implementation has."""


class ConfigError(UsageError):
    """A setting out of range, or two settings that contradict each other."""


class BudgetError(UsageError):
    """A budget of zero or less, or one that the smallest network of the space exceeds."""


class DataError(UsageError):
    """A data set that cannot be trained on as it is."""


class StoreError(UsageError):
    """A run folder that is in use, from a newer version, missing, or on a full disk."""


class TableMissError(UsageError):
    """An operation that the latency table does not hold."""


class UnsupportedError(UsageError):
    """An operation, layer or model that a stage cannot handle."""


class TrialError(EdgenasError):
    """One trial failed (loss became NaN, process killed ...); the search goes on without it."""


class WorkerLostError(TrialError):
    """The process or the node that trained was lost; the same training elsewhere gives the same result."""


class MeasurementError(EdgenasError):
    """A measurement that could not be taken, or was too noisy to be believed."""


class ParityError(EdgenasError):
    """An exported artifact that does not agree with the Keras model it came from."""
