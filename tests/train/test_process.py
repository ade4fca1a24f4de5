"""The training process: what fails there fails one trial, and nothing of it stays behind."""

from __future__ import annotations

import inspect
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from edgenas.arch.blocks import BLOCKS
from edgenas.arch.spec import ArchSpec, Block
from edgenas.build.builder import EMITTERS
from edgenas.data.dataset import Dataset
from edgenas.data.resize import prepare
from edgenas.data.storage import save_arrays
from edgenas.errors import StoreError, TrialError, UsageError
from edgenas.train import precision
from edgenas.train.job import Job, fresh_model
from edgenas.train.process import TrainingProcess, packed
from edgenas.train.recipe import Recipe
from edgenas.train.trainer import accuracy
from edgenas.train.weights import load_weights, save_weights
from edgenas.train.worker import Request, imports_ahead


@pytest.fixture(scope="module")
def process(digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrainingProcess]:
    with TrainingProcess(digits, tmp_path_factory.mktemp("run") / "training.log") as process:
        yield process


def flat_build(hp: Any) -> Any:
    """A user's build function whose model trains in a moment."""
    import keras

    model = keras.Sequential(
        [keras.layers.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10, "softmax")]
    )
    rate = hp.Float("rate", 1e-3, 1.0, default=0.1)
    model.compile(keras.optimizers.SGD(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def raising_build(hp: Any) -> Any:
    raise ValueError("kernel larger than the image\nand more lines")


def exiting_build(hp: Any) -> Any:
    sys.exit(3)


def at_epoch_end(action: Callable[[], None]) -> Any:
    """A Keras callback; its class travels by value."""
    import keras

    class AtEpochEnd(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            action()

    return AtEpochEnd()


def quick_job(build: Any = flat_build, *callbacks: Any, **changes: Any) -> Job:
    """One epoch of a user's own build function, whose hyperparameter is ``rate``."""
    spec = ArchSpec("hypermodel", (8, 8, 1), 10, (), {"rate": 0.1})
    recipe = Recipe(epochs=1, images_per_epoch=1_000, batch_size=32)
    return replace(Job(spec, recipe, None, build, callbacks), **changes)


def test_a_trained_network_comes_back_as_weights_and_figures(
    process: TrainingProcess, digits: Dataset, small_spec: ArchSpec, short: Recipe, tmp_path: Path
) -> None:
    entries: list[dict[str, Any]] = []
    path = tmp_path / "weights" / "0000.npz"
    result = process.run(Job(small_spec, replace(short, epochs=5), path), entries.append)
    assert [entry["epoch"] for entry in entries] == [1, 2, 3, 4, 5]
    assert result.val_accuracy > 0.5
    model = fresh_model(small_spec)
    model.set_weights(load_weights(path))
    images = prepare(digits.validation.x, digits.normalization, (8, 8, 1))
    assert accuracy(model, images, digits.validation.y) == pytest.approx(result.val_accuracy, abs=1e-3)
    assert [file.name for file in path.parent.iterdir()] == ["0000.npz"]


def test_blocks_and_layers_of_a_script_are_known_in_the_training_process(
    process: TrainingProcess, short: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def layer(keras_module: Any, op: Any, inputs: Any) -> Any:
        return keras_module.layers.Maximum(name=op.name)(list(inputs))

    def largest(builder: Any, tensor: int, name: str, *, filters: int) -> int:
        sides = [builder.window("conv2d", f"{name}_{side}", tensor, filters=filters) for side in "ab"]
        return int(builder.simple("maximum", f"{name}_max", *sides))

    for function in (layer, largest):
        function.__module__ = "__main__"  # as in a script, which the process cannot import
    monkeypatch.setitem(EMITTERS, "maximum", layer)
    monkeypatch.setitem(BLOCKS, "largest", largest)
    blocks = (Block("largest", {"filters": 4}), Block("head", {"classes": 10}))
    result = process.run(Job(ArchSpec("mine", (8, 8, 1), 10, blocks, {}), replace(short, epochs=1)))
    assert 0 <= result.val_accuracy <= 1
    monkeypatch.delitem(EMITTERS, "maximum")
    with pytest.raises(TrialError, match="operation 'maximum'"):
        process.run(Job(ArchSpec("mine", (8, 8, 1), 10, blocks, {}), replace(short, epochs=1)))


def test_the_test_split_is_not_handed_over(process: TrainingProcess) -> None:
    assert process.log_path is not None
    written = sorted(file.name for file in (process.log_path.parent / "training_data").iterdir())
    assert written == ["data.json", "train_x.npy", "train_y.npy", "validation_x.npy", "validation_y.npy"]


def test_one_seed_gives_one_result_also_a_seed_beyond_32_bits(
    process: TrainingProcess, small_spec: ArchSpec, short: Recipe
) -> None:
    recipe = replace(short, epochs=1, seed=20_261_125 * 100_003)
    first, second = (process.run(Job(small_spec, recipe)) for _ in range(2))
    assert first.val_loss == pytest.approx(second.val_loss, rel=1e-3)


def test_a_build_function_that_raises_fails_its_trial_with_the_reason(process: TrainingProcess) -> None:
    with pytest.raises(TrialError) as caught:
        process.run(quick_job(raising_build))
    assert str(caught.value) == "ValueError: kernel larger than the image"


def test_a_build_function_that_exits_fails_its_trial(process: TrainingProcess) -> None:
    with pytest.raises(TrialError, match="training process ended with exit code 1"):
        process.run(quick_job(exiting_build))


def test_a_loss_of_nan_fails_its_trial(process: TrainingProcess) -> None:
    spec = ArchSpec("hypermodel", (8, 8, 1), 10, (), {"rate": 1e38})
    with pytest.raises(TrialError, match="loss became NaN or infinite in epoch 1"):
        process.run(quick_job(spec=spec))


def test_a_killed_training_fails_alone_and_the_same_process_serves_the_next(
    process: TrainingProcess, tmp_path: Path
) -> None:
    """As the kernel kills the training that takes too much memory."""

    def note_parent() -> None:
        with (tmp_path / "parents").open("a") as file:
            file.write(f"{os.getppid()}\n")

    def die() -> None:
        note_parent()
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(TrialError, match=r"ended by signal SIGKILL \(out of memory\?\)"):
        process.run(quick_job(flat_build, at_epoch_end(die)))
    assert process.run(quick_job(flat_build, at_epoch_end(note_parent))).epochs == 1
    first, second = (tmp_path / "parents").read_text().split()
    assert first == second


def test_a_training_process_that_died_between_two_jobs_is_started_again(process: TrainingProcess) -> None:
    workers = [child for child in psutil.Process().children() if "edgenas.train.worker" in child.cmdline()]
    assert len(workers) == 1
    workers[0].kill()
    psutil.wait_procs(workers, timeout=10)
    assert process.run(quick_job()).epochs == 1


def test_an_interrupt_ends_the_training_and_spoils_no_later_answer(process: TrainingProcess) -> None:
    family: list[psutil.Process] = []

    def interrupt(entry: dict[str, Any]) -> None:
        assert process._process is not None
        worker = psutil.Process(process._process.pid)
        family[:] = [worker, *worker.children(recursive=True)]
        raise KeyboardInterrupt

    endless = Recipe(epochs=100_000, images_per_epoch=1_000)
    with pytest.raises(KeyboardInterrupt):
        process.run(quick_job(recipe=endless), interrupt)
    assert len(family) == 2  # the process, and the child that trains
    assert psutil.wait_procs(family, timeout=20)[1] == []
    assert process.run(quick_job()).epochs == 1


def test_what_cannot_be_sent_is_refused_at_once(process: TrainingProcess) -> None:
    lock = threading.Lock()
    with pytest.raises(UsageError, match=r"cannot be sent to the training process: .*lock"):
        process.run(quick_job(flat_build, at_epoch_end(lambda: lock.release())))
    assert process.run(quick_job()).epochs == 1


def test_a_child_imports_keras_where_its_parent_has_not(digits: Dataset, tmp_path: Path) -> None:
    """As with PyTorch on a GPU, where a parent that had imported it would have touched CUDA."""
    save_arrays(digits, tmp_path)
    (tmp_path / "request").write_bytes(pickle.dumps(Request(packed(quick_job()), None)))
    words = [sys.executable, "-c", LATE, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["['epoch',", "'done',", "'end']", "False"]


LATE = """
import os, pickle, sys
from pathlib import Path
from edgenas.train.worker import data_source, receive, run_in_child
folder = Path(sys.argv[1])
reading, writing = os.pipe()
with os.fdopen(writing, "wb") as answers:
    run_in_child(pickle.loads((folder / "request").read_bytes()), data_source(folder), answers)
with os.fdopen(reading, "rb") as answers:
    print([receive(answers)[0] for _ in range(3)], "keras" in sys.modules)
"""


@pytest.mark.parametrize(
    ("backend", "gpu", "ahead"),
    [("tensorflow", True, True), ("jax", False, True), ("jax", True, False), ("torch", True, False)],
)
def test_keras_is_imported_ahead_unless_that_may_touch_a_gpu(
    backend: str, gpu: bool, ahead: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", backend)
    monkeypatch.setattr(precision, "DEVICES", tmp_path)
    if gpu:
        (tmp_path / "nvidia0").touch()
    assert imports_ahead() is ahead


def test_functions_of_a_module_beside_the_user_s_script_are_found(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder of a script is on its own import path only; the training process is told."""
    code = f"from typing import Any\n{inspect.getsource(flat_build)}"
    (tmp_path / "my_models.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    import my_models

    with TrainingProcess(digits, tmp_path / "training.log") as process:
        assert process.run(quick_job(my_models.flat_build)).epochs == 1
        (tmp_path / "my_models.py").unlink()
        monkeypatch.setattr(my_models.flat_build, "__module__", "gone_models")
        monkeypatch.setitem(sys.modules, "gone_models", my_models)
        with pytest.raises(TrialError, match="job cannot be read: ModuleNotFoundError: No module named"):
            process.run(quick_job(my_models.flat_build))


def test_a_full_disk_ends_the_search_and_leaves_no_half_file(
    process: TrainingProcess, tmp_path: Path
) -> None:
    """The training may write files of up to 1,000 bytes only."""
    import resource

    def fill_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000))

    path = tmp_path / "0000.npz"
    job = quick_job(flat_build, at_epoch_end(fill_disk), weights_path=path)
    with pytest.raises(StoreError, match=r"0000.npz cannot be written: File too large; free space"):
        process.run(job)
    assert list(tmp_path.iterdir()) == []


def test_after_close_nothing_is_left_and_a_job_is_refused(digits: Dataset, tmp_path: Path) -> None:
    process = TrainingProcess(digits, tmp_path / "training.log")
    process.start()
    process.close()
    process.close()
    assert [file.name for file in tmp_path.iterdir()] == ["training.log"]
    with pytest.raises(UsageError, match="a training process that is closed; call start first"):
        process.run(quick_job())


KILLED = """
import sys
from dataclasses import replace
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_process import *
from edgenas.arch.blocks import BLOCKS
from edgenas.arch.spec import ArchSpec, Block
from edgenas.build.builder import EMITTERS
from edgenas.data.load import load_dataset
spec = ArchSpec("by hand", (8, 8, 1), 10, (), {"rate": 0.1})
recipe = Recipe(epochs=100_000, images_per_epoch=1_000)
with TrainingProcess(load_dataset("digits"), Path(sys.argv[1]) / "training.log") as process:
    process.run(Job(spec, recipe, None, flat_build), lambda entry: print(entry["epoch"], flush=True))
"""


def test_a_killed_search_takes_its_training_with_it(digits: Dataset, tmp_path: Path) -> None:
    """After SIGKILL to the search no process trains on, and the next search finds and removes the data."""
    search = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path), str(Path(__file__).parent)], stdout=subprocess.PIPE
    )
    assert search.stdout is not None and search.stdout.readline() == b"1\n"
    family = psutil.Process(search.pid).children(recursive=True)
    assert len(family) == 2
    search.kill()
    search.wait()
    search.stdout.close()
    assert psutil.wait_procs(family, timeout=20)[1] == []
    assert (tmp_path / "training_data").is_dir()
    with TrainingProcess(digits, tmp_path / "training.log"):
        pass
    assert not (tmp_path / "training_data").exists()


def test_weights_come_back_as_they_were_in_their_order(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=(number + 1, 2)).astype(np.float32) for number in range(12)]
    save_weights(tmp_path / "deep" / "w.npz", weights)
    loaded = load_weights(tmp_path / "deep" / "w.npz")
    assert len(loaded) == 12
    for one, other in zip(weights, loaded, strict=True):
        np.testing.assert_array_equal(one, other, strict=True)
