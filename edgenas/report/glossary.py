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


def glossary() -> str:
    """The words with what they mean."""
    entries = "".join(f"<div><dt>{word}</dt><dd>{meaning}</dd></div>" for word, meaning in _WORDS.items())
    return f'<dl class="glossary">{entries}</dl>'
