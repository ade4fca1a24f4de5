"""Training with Keras 3, each trial in a process of its own."""
