"""A run told to other people's tools: TensorBoard and MLflow, each through its own client."""

from edgenas.tracking.listener import TrackingListener, tracked

__all__ = ["TrackingListener", "tracked"]
