"""From architectures to Keras models, and from models back to graphs of operations."""
