"""Objectives, the Pareto set, searchers, and EdgeTuner on keras-tuner."""
