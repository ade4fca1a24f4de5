"""A user's own Keras model from its file: ``.keras``, HDF5 or a SavedModel folder, and never its code.

A Lambda layer holds Python code, and a custom layer needs some; both are found in the file's own
description and refused before anything of it is loaded. Keras' safe mode stays on besides.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgenas.captured import captured
from edgenas.errors import UnsupportedError

ENDINGS = ".keras, .h5, .hdf5 or a SavedModel folder"
_KERAS_MODULES = ("keras", "tf_keras", "tensorflow.python.keras", "tensorflow.keras")


def load_keras(path: Path) -> Any:
    """The model of a file.

    Args:
        path: A ``.keras`` or HDF5 file, or the folder of a SavedModel that Keras 2 or tf_keras wrote.

    Returns:
        A Keras 3 model; of a SavedModel a tf_keras model.

    Raises:
        UnsupportedError: There is no such file, it is no Keras model, or it holds a Lambda or custom layer.
    """
    readers = {".keras": _read_zip, ".h5": _read_hdf5, ".hdf5": _read_hdf5}
    is_folder = path.is_dir()
    if not path.exists() or not (is_folder or path.suffix.lower() in readers):
        what = "there is no such file" if not path.exists() else f"it has the ending '{path.suffix}'"
        raise UnsupportedError(f"model {path} was given and {what}; expected {ENDINGS}")
    try:
        described = _read_saved_model(path) if is_folder else readers[path.suffix.lower()](path)
        for layer in _layers(described):
            _refuse_code(layer)
        with captured():  # TensorFlow greets on the standard error stream
            if is_folder:
                import tf_keras

                return tf_keras.models.load_model(path, compile=False)
            import keras

            return keras.saving.load_model(path, compile=False, safe_mode=True)
    except UnsupportedError:
        raise
    except Exception as error:  # Keras raises anything over a damaged file
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UnsupportedError(f"{path} is no Keras model that can be read: {reason}") from None


def _read_zip(path: Path) -> Any:
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("config.json"))


def _read_hdf5(path: Path) -> Any:
    import h5py  # type: ignore[import-untyped]  # comes with Keras

    with h5py.File(path, "r") as file:
        described = file.attrs.get("model_config")
    if described is None:
        raise UnsupportedError(
            f"{path} holds weights alone; save the whole model with model.save('model.keras')"
        )
    return json.loads(described)


def _read_saved_model(path: Path) -> Any:
    metadata = path / "keras_metadata.pb"
    if not metadata.is_file():
        raise UnsupportedError(
            f"{path} is no SavedModel with Keras layers (no keras_metadata.pb); model.export() leaves them "
            "out: save it with model.save('model.keras')"
        )
    from tf_keras.protobuf import saved_metadata_pb2

    found = saved_metadata_pb2.SavedMetadata()
    found.ParseFromString(metadata.read_bytes())
    return [json.loads(node.metadata) for node in found.nodes if node.metadata]


def _layers(described: Any) -> Iterator[Mapping[str, Any]]:
    """Every object with a class name and a configuration in a file's description."""
    if isinstance(described, dict):
        if "class_name" in described and isinstance(described.get("config"), dict):
            yield described
        for value in described.values():
            yield from _layers(value)
    elif isinstance(described, list):
        for value in described:
            yield from _layers(value)


def _refuse_code(layer: Mapping[str, Any]) -> None:
    kind, name = str(layer["class_name"]), layer["config"].get("name", "unnamed")
    registered, module = layer.get("registered_name"), layer.get("module")
    own_module = isinstance(module, str) and not any(
        module == known or module.startswith(f"{known}.") for known in _KERAS_MODULES
    )
    own_name = isinstance(registered, str) and ">" in registered and not registered.startswith("keras")
    if kind in ("Lambda", "TFOpLambda") or kind.endswith(">Lambda"):
        raise UnsupportedError(
            f"layer '{name}' is a {kind} layer, which holds Python code and is not loaded; replace it by "
            "layers of Keras, for example Rescaling or Activation"
        )
    if own_module or own_name or ">" in kind:
        raise UnsupportedError(
            f"layer '{name}' is of your own class '{registered or kind}', whose code is not loaded; "
            "replace it by layers of Keras"
        )
