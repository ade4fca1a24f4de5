"""The training process: ``python -m edgenas.train.worker``.

Keras leaks some 30 MB with every model that is trained (keras-tuner's oldest complaint). So the
search never trains in its own process: this one imports Keras once, without running it, and forks
a child for each job. A child costs 50 ms instead of a 8 s import, its memory is given back when it
ends, and a crash or an out-of-memory kill fails one trial. With JAX or PyTorch on a GPU each child imports
Keras itself: the import of PyTorch's backend touches CUDA, and no child of a process that did can use it
(``CUDA error: initialization error``); JAX warns of forks. Where there is no fork, one process serves one
job.

Protocol: pickled messages with a length in front. Requests come on standard input, answers leave on
the descriptor given as argument: ``("epoch", {...})``*, then ``("done", TrainResult)``,
``("failed", reason)`` or ``("disk", reason)`` unless the training was cut off, then always
``("end", (kind, reason))``, which says ``failed`` or ``lost`` where it was. An end of input ends the
process and a training in it.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import struct
import sys
import threading
import traceback
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import cloudpickle

from edgenas.arch.graph import Shape
from edgenas.data.prepared import Prepared
from edgenas.data.resize import prepare
from edgenas.data.storage import is_large, load_arrays
from edgenas.errors import StoreError, TrialError
from edgenas.train.job import Arrays, DataFor, Job, run_job
from edgenas.train.limits import Limits, out_of_memory_kills, volunteer_for_the_kernel, wait_within
from edgenas.train.precision import gpu_here

FORKS = hasattr(os, "fork")


@dataclass(frozen=True)
class Start:
    """The first message.

    Attributes:
        path: The search's ``sys.path``, where the modules of the user's functions are.
        folder: Holds the data that `edgenas.data.storage.save_arrays` wrote.
    """

    path: tuple[str, ...]
    folder: Path


@dataclass(frozen=True)
class PackedJob:
    """A job, pickled, so that whoever passes it on need not have the user's modules.

    Attributes:
        body: The `edgenas.train.job.Job`; unpickling imports what a user's functions need, often Keras.
        input_shape: Of its network, for which the data are prepared.
        limits: The job's.
    """

    body: bytes
    input_shape: Shape
    limits: Limits


@dataclass(frozen=True)
class Request:
    """A job to do.

    Attributes:
        job: The job.
        weights_path: File here that receives the weights, or None.
    """

    job: PackedJob
    weights_path: Path | None


def pack(message: Any) -> bytes:
    """One message as bytes; functions of a user's script travel by value (cloudpickle)."""
    body: bytes = cloudpickle.dumps(message)
    return struct.pack("!Q", len(body)) + body


def send(stream: IO[bytes], message: Any) -> None:
    """Write one message."""
    stream.write(pack(message))
    stream.flush()


def receive(stream: IO[bytes]) -> Any:
    """Read one message.

    Raises:
        EOFError: The other side closed the stream.
        Exception: Whatever unpickling raises, for example because a module is missing here.
    """
    head = stream.read(8)
    if len(head) < 8:
        raise EOFError
    (length,) = struct.unpack("!Q", head)
    body = stream.read(length)
    if len(body) < length:
        raise EOFError
    return pickle.loads(body)


def data_source(folder: Path) -> DataFor:
    """Training and validation examples, prepared once per shape and kept for the next jobs.

    Those that are larger than memory should hold are prepared batch by batch instead.
    """
    data = load_arrays(folder)
    ready: Any = Prepared if is_large(folder) else prepare

    @lru_cache(maxsize=4)
    def data_for(shape: Shape) -> tuple[Arrays, Arrays]:
        splits = (data.train, data.validation)
        train, validation = ((ready(split.x, data.normalization, shape), split.y) for split in splits)
        return train, validation

    return data_for


def run_and_answer(request: Request, data_for: DataFor, answers: IO[bytes]) -> None:
    """Run one job and send its progress and its end."""
    try:
        job: Job = replace(pickle.loads(request.job.body), weights_path=request.weights_path)
    except Exception as error:  # a function of a module that cannot be imported here
        send(answers, ("failed", f"the job cannot be read: {type(error).__name__}: {error}"))
        return
    try:
        result = run_job(job, data_for, lambda entry: send(answers, ("epoch", entry)))
        send(answers, ("done", result))
    except TrialError as error:
        send(answers, ("failed", str(error)))
    except StoreError as error:  # from the checkpoint
        send(answers, ("disk", str(error)))
    except OSError as error:  # from saving the weights: no later trial would fare better
        reason = f"{job.weights_path} cannot be written: {error.strerror or error}; free space and resume"
        send(answers, ("disk", reason))


def run_in_child(request: Request, data_for: DataFor, answers: IO[bytes]) -> None:
    """Fork, let the child run the job, and say how the child ended."""
    killed_before = out_of_memory_kills()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            _end_with_input(sys.stdin.fileno())
            volunteer_for_the_kernel()
            run_and_answer(request, data_for, answers)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    status, broken = wait_within(child, request.job.limits)
    send(answers, ("end", broken or _ending(status, out_of_memory_kills() > killed_before)))


def _ending(status: int, out_of_memory: bool) -> tuple[str, str]:
    """What the exit status of a child means for its trial."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        reason = f"training process ended by signal {signal.Signals(number).name}"
        if number != signal.SIGKILL:
            return "failed", reason
        return (
            ("failed", f"{reason} (out of memory)")
            if out_of_memory
            else ("lost", f"{reason} (out of memory?)")
        )
    return "failed", f"training process ended with exit code {os.WEXITSTATUS(status)}"


def _end_with_input(descriptor: int) -> None:
    """End this process, wherever it is, when the search at the other end of the pipe is gone."""
    watch = select.poll()
    watch.register(descriptor, select.POLLHUP)

    def wait() -> None:
        watch.poll()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def main() -> None:
    """Serve jobs until the input ends."""
    requests = sys.stdin.buffer
    answers = os.fdopen(int(sys.argv[1]), "wb")
    start = receive(requests)
    sys.path[:] = start.path
    data_for = data_source(start.folder)
    if imports_ahead():
        import keras  # noqa: F401  the children inherit it
    while True:
        try:
            request = receive(requests)
        except EOFError:
            return
        if not FORKS:
            run_and_answer(request, data_for, answers)
            send(answers, ("end", ("failed", "the training ended without a result")))
            return
        data_for(request.job.input_shape)  # prepared here, so that later children inherit it
        run_in_child(request, data_for, answers)


def imports_ahead() -> bool:
    """Whether Keras is imported before the first fork."""
    return os.environ.get("KERAS_BACKEND") not in ("jax", "torch") or not gpu_here()


if __name__ == "__main__":
    main()
