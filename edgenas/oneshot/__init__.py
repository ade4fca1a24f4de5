"""Search without training every candidate: weights that are shared, inherited, or not trained at all."""
