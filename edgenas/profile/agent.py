"""Agent: loads models and times them, on this machine or, sent there as it is, on another.

One file that needs nothing but Python 3.7, its standard library and the runtime that measures
(``ai_edge_litert``, ``tflite_runtime`` or ``onnxruntime``; each brings numpy). The local runners import
it; the ssh runner sends its text over the connection and runs it there, so every machine is measured by
the same lines. How a latency is measured and why is told in `edgenas.profile.protocol`.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import platform
import struct
import sys
import time
from pathlib import Path

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

TYPE_CHECKING = False  # Python 3.7 lacks some of these names
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import IO, Any

    Program = Callable[[], object]
    Clock = Callable[[], int]

WARM_UP = 4  # runs; after one alone the sentinel was 5 to 10 % slow behind programs of milliseconds
SENTINEL_RUNS = 8
SETTLING_LOOKS = 3000


class Sentinel:
    """A program of constant work that tells whether the core is undisturbed.

    Attributes:
        program: The work, a few microseconds.
        floor_ns: The fastest look so far; kept over measurements.
    """

    def __init__(self, program: Program, clock_ns: Clock = time.perf_counter_ns) -> None:
        self.program = program
        self.clock_ns = clock_ns
        self.floor_ns = float("inf")

    def look(self) -> float:
        """Time the work once; nanoseconds."""
        for _ in range(WARM_UP):  # its code and data back into the caches and the branch predictor
            self.program()
        start = self.clock_ns()
        for _ in range(SENTINEL_RUNS):
            self.program()
        elapsed = float(self.clock_ns() - start)
        self.floor_ns = min(self.floor_ns, elapsed)
        return elapsed

    def settle(self) -> None:
        """Find the floor before the first burst, for longer than most disturbances last."""
        for _ in range(SETTLING_LOOKS):
            self.look()


def preemptions() -> int:
    """How often the system took this thread off its core for another, where it tells."""
    if resource is None or not hasattr(resource, "RUSAGE_THREAD"):  # only Linux counts for a thread
        return 0
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nivcsw


def time_bursts(
    programs: Sequence[Program],
    sentinel: Sentinel,
    settings: Mapping[str, Any],
    clock_ns: Clock = time.perf_counter_ns,
    preemptions: Clock = preemptions,
) -> list[list[float]]:
    """Time programs in turns until each has enough undisturbed bursts, or rounds or time are used up.

    Args:
        programs: Functions that run one inference.
        sentinel: A `Sentinel`.
        settings: The fields of `edgenas.profile.protocol.Protocol` as a dict.
        clock_ns: The clock, for tests.
        preemptions: How often the thread was put aside so far, for tests.

    Returns:
        For each program its undisturbed burst means in nanoseconds.
    """
    if sentinel.floor_ns == float("inf"):
        sentinel.settle()
    end_ns = clock_ns() + settings["limit_s"] * 1e9
    repeats = [_repeats(program, settings["burst_us"] * 1e3, clock_ns) for program in programs]
    bursts: list[list[tuple[float, float]]] = [[] for _ in programs]
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        for _ in range(settings["rounds"]):
            unfinished = [
                k for k in range(len(programs))
                if len(undisturbed(bursts[k], sentinel, settings)) < settings["bursts"]
            ]  # fmt: skip
            if not unfinished or clock_ns() > end_ns:
                break
            before = sentinel.look()
            for k in unfinished:
                started = preemptions()
                mean_ns = _burst(programs[k], repeats[k], clock_ns)
                # Put aside within the burst: an inference of milliseconds hides it from the sentinel.
                put_aside = preemptions() != started
                after = sentinel.look()
                bursts[k].append((float("inf") if put_aside else max(before, after), mean_ns))
                before = after
    finally:
        if was_enabled:
            gc.enable()
    return [undisturbed(entries, sentinel, settings) for entries in bursts]


def _burst(program: Program, repeats: int, clock_ns: Clock) -> float:
    program()  # warm-up: back into the caches
    start = clock_ns()
    for _ in range(repeats):
        program()
    return (clock_ns() - start) / repeats


def _repeats(program: Program, burst_ns: float, clock_ns: Clock) -> int:
    fastest = min(_burst(program, 1, clock_ns) for _ in range(3))
    return max(1, round(burst_ns / max(fastest, 1.0)))


def undisturbed(
    entries: Sequence[tuple[float, float]], sentinel: Sentinel, settings: Mapping[str, Any]
) -> list[float]:
    """Means of the bursts beside which the sentinel was fast."""
    limit = sentinel.floor_ns * (1 + settings["tolerance"])
    return [mean_ns for look_ns, mean_ns in entries if look_ns <= limit]


def load_program(runtime: str, model: bytes, threads: int) -> Program:
    """A function that runs one inference of a model, with a fixed random input in place.

    Raises:
        ValueError: The runtime cannot run the model.
        ImportError: The runtime is not installed.
    """
    load = {"litert": _load_litert, "onnxruntime": _load_onnxruntime}[runtime]
    try:
        program = load(model, threads)
        program()
    except ImportError:
        raise
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ValueError(lines[0]) from None
    return program


def _interpreter() -> tuple[Any, str]:
    """LiteRT's interpreter and what it comes from."""
    with contextlib.suppress(ImportError):
        from ai_edge_litert.interpreter import Interpreter

        return Interpreter, "ai-edge-litert"
    from tflite_runtime.interpreter import Interpreter  # type: ignore[import-not-found]

    return Interpreter, "tflite-runtime"


def _load_litert(model: bytes, threads: int) -> Program:
    import numpy as np

    interpreter = _interpreter()[0](model_content=model, num_threads=threads)
    interpreter.allocate_tensors()
    rng = np.random.RandomState(0)
    for entry in interpreter.get_input_details():
        interpreter.set_tensor(entry["index"], _values(rng, entry["shape"], np.dtype(entry["dtype"])))
    program: Program = interpreter.invoke
    return program


def _load_onnxruntime(model: bytes, threads: int) -> Program:
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    rng = np.random.RandomState(0)
    kinds = {
        "tensor(float)": "float32", "tensor(int8)": "int8", "tensor(uint8)": "uint8",
        "tensor(int32)": "int32", "tensor(int64)": "int64",
    }  # fmt: skip
    # Bound inputs and outputs: otherwise copies and Python's own work are timed with the network.
    binding = session.io_binding()
    for entry in session.get_inputs():
        shape = [size if isinstance(size, int) else 1 for size in entry.shape]
        values = _values(rng, shape, np.dtype(kinds[entry.type]))
        binding.bind_ortvalue_input(entry.name, onnxruntime.OrtValue.ortvalue_from_numpy(values))
    for entry in session.get_outputs():
        binding.bind_output(entry.name)
    return lambda: session.run_with_iobinding(binding)


def _values(rng: Any, shape: Any, dtype: Any) -> Any:
    """Whole numbers of 0 to 99 for integers; 0 to 1 for floats, as images are."""
    if dtype.kind == "f":
        return rng.uniform(0, 1, shape).astype(dtype)
    return rng.randint(0, 100, shape).astype(dtype)


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """Keep this thread on one core, the last it may use, and restore its freedom afterwards."""
    if not hasattr(os, "sched_setaffinity"):  # macOS and Windows have no such call
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def machine(runtime: str) -> dict[str, str]:
    """Processor, system and version of a runtime, as texts.

    Raises:
        ImportError: The runtime is not installed.
    """
    if runtime == "litert":
        name = _interpreter()[1]
        version = _version(name)
    else:
        import onnxruntime

        name, version = "onnxruntime", onnxruntime.__version__
    return {
        "cpu": _cpu_name(),
        "system": f"{platform.system()} {platform.machine()}",
        "version": f"{name} {version}",
    }


def _version(package: str) -> str:
    try:
        from importlib import metadata
    except ImportError:  # Python 3.7
        import pkg_resources  # type: ignore[import-not-found]

        return str(pkg_resources.get_distribution(package).version)
    return metadata.version(package)


def governor() -> str | None:
    """The clock governors of the cores, for example ``ondemand``, or None where the system tells none."""
    found = set()
    for path in Path("/sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_governor"):
        with contextlib.suppress(OSError):
            found.add(path.read_text().strip())
    return ", ".join(sorted(found)) or None


def _cpu_name() -> str:
    """Model, family and model number, as Linux tells them; a board's name where the processor has none."""
    facts: dict[str, str] = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            facts.setdefault(key.strip(), value.strip())
    if "model name" in facts and "cpu family" in facts:
        return "{} family {} model {}".format(facts["model name"], facts["cpu family"], facts.get("model"))
    with contextlib.suppress(OSError):
        return Path("/proc/device-tree/model").read_text(encoding="utf-8", errors="replace").rstrip("\0")
    return facts.get("model name") or platform.processor() or platform.machine()


class _Server:
    """Answers requests; keeps one sentinel a runtime."""

    def __init__(self) -> None:
        self.sentinels: dict[str, Sentinel] = {}

    def answer(self, request: Mapping[str, Any], models: Sequence[bytes]) -> dict[str, Any]:
        """A machine's description, or the bursts of each model; the first model is the sentinel."""
        runtime = request["runtime"]
        try:
            if request["what"] == "machine":
                return {"machine": machine(runtime), "governor": governor()}
            with one_core() if request["threads"] == 1 else contextlib.nullcontext():
                return self._measure(request, models)
        except ImportError as error:
            return {"missing": str(error)}

    def _measure(self, request: Mapping[str, Any], models: Sequence[bytes]) -> dict[str, Any]:
        runtime = request["runtime"]
        if runtime not in self.sentinels:
            self.sentinels[runtime] = Sentinel(load_program(runtime, models[0], 1))
        programs = []
        for model in models[1:]:
            try:
                programs.append(load_program(runtime, model, request["threads"]))
            except ValueError as error:
                return {"refused": f"a model of {len(model)} bytes: {error}"}
        return {"bursts_ns": time_bursts(programs, self.sentinels[runtime], request["settings"])}


def serve(source: IO[bytes], target: IO[bytes]) -> None:
    """Answer requests from one binary stream on another until the first one ends.

    A request is the length of a JSON text (four bytes, big-endian), the text, and the bytes of the models
    whose ``sizes`` it tells; an answer is the length of a JSON text and the text.
    """
    server = _Server()
    while True:
        head = source.read(4)
        if len(head) < 4:
            return
        request = json.loads(source.read(struct.unpack(">I", head)[0]).decode("utf-8"))
        models = [source.read(size) for size in request["sizes"]]
        text = json.dumps(server.answer(request, models)).encode("utf-8")
        target.write(struct.pack(">I", len(text)) + text)
        target.flush()


if __name__ == "__edgenas_agent__":  # sent by the ssh runner; standard output is the answers' alone
    _answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.stdin.buffer, _answers)
