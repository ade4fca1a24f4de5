"""The few words of the trade that a report cannot do without."""

from __future__ import annotations

_WORDS = {
    "Front": "the networks that no other one beats in accuracy and cost at once (Pareto front). Every "
    "network off the front has a better one on it.",
    "Hypervolume": "the area between the front and the worst corner of the chart. A network that adds much "
    "of it offers a compromise that its neighbours do not.",
    "int8": "the network with its numbers stored as 8-bit integers, a quarter of the size of float32: what "
    "small devices run. Storing it so costs a little accuracy.",
    "MACs": "multiply-accumulate operations for one image: how much work the network is, on any device.",
    "Parameters": "the numbers that training sets.",
    "Peak RAM": "the most working memory that the network needs at one moment (the arena of TFLite Micro).",
    "Flash": "the room that the int8 file takes in the device’s permanent memory.",
    "Latency": "the time for one input.",
    "Training, validation, test": "examples that set the parameters; those that the search chose by; those "
    "that nothing was chosen by, used once at the end: the honest figure.",
    "95 % interval": "where the accuracy on endlessly many examples would lie, 19 times in 20 (Wilson).",
    "Points": "percentage points: from 90 % to 92 % are 2 points.",
}


_OF_TASK = {
    "regression": {
        "RMSE": "root mean square error, in units of the target: how far off predictions are, large misses "
        "counting most. The relative RMSE is that over the RMSE of always guessing the mean: 0 is "
        "perfect, 1 is "
        "worth nothing; a search minimizes it.",
        "95 % interval": "where the figure on endlessly many inputs would lie, 19 times in 20 (bootstrap).",
    },
    "anomaly": {
        "AUC": "area under the ROC curve: how likely an anomalous input scores higher than a normal "
        "one. A coin "
        "has 0.5, a perfect detector 1. No threshold is needed for it.",
        "Score": "mean squared difference between an input and the network’s reconstruction of it.",
        "Threshold": "the score above which an input counts as anomalous; from normal training data.",
        "95 % interval": "where the figure on endlessly many inputs would lie, 19 times in 20 (bootstrap).",
    },
}
_OF_CLASSES = ("Points",)
"""Words that only classifiers need."""


def glossary(task: str = "classification") -> str:
    """The words with what they mean, for a task."""
    others = _OF_TASK.get(task, {})
    words = {
        word: meaning for word, meaning in _WORDS.items() if not others or word not in _OF_CLASSES
    } | others
    entries = "".join(f"<div><dt>{word}</dt><dd>{meaning}</dd></div>" for word, meaning in words.items())
    return f'<dl class="glossary">{entries}</dl>'
