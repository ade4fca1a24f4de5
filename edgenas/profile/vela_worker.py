"""The process that runs the Vela compiler: what crashes or hangs in native code costs one answer only.

A script of its own that needs nothing of edgenas: ``vela_worker.py DESCRIPTOR`` reads pickled requests
from standard input and writes one pickled answer each, ``("done", facts)`` or ``("failed", text)``, to
the descriptor. The first request is the target, every other one (model, whether details are wanted).
What Vela prints goes to standard output, which the other side ignores.

`regor.compile` is what the command ``vela`` calls for every Ethos-U (Vela 5.2); the options are those
that the command sets when it is given none.
"""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path
from typing import Any


class Compiler:
    """Compiles models for one Ethos-U.

    Args:
        target: Fields of `edgenas.profile.vela_target.VelaTarget`, as texts.
    """

    def __init__(self, target: dict[str, Any]) -> None:
        from ethosu import regor  # type: ignore[import-untyped]
        from ethosu.vela import architecture_features as known  # type: ignore[import-untyped]

        config = target["config"] or str(Path(known.CONFIG_FILES_PATH) / "Arm" / "vela.ini")
        if not Path(config).is_file():
            raise FileNotFoundError(f"there is no Vela configuration {config}")
        features = known.ArchitectureFeatures(
            vela_config_files=[config],
            system_config=target["system_config"],
            accelerator_config=target["accelerator"],
            memory_mode=target["memory_mode"],
            max_blockdep=known.ArchitectureFeatures.MAX_BLOCKDEP,
            verbose_config=False,
            arena_cache_size=None,
        )
        self.regor = regor
        self.clock_hz = float(features.core_clock)
        self.family = "".join(part.capitalize() for part in target["accelerator"].split("-")[:-1])
        self.system = (
            f"[architecture]\nmacs={features.num_macs_per_cycle}\ncores={features.ncores}\n"
            f"[vela]\nsystem_config_name={features.system_config}\nmemory_mode_name={features.memory_mode}\n"
            + Path(config).read_text(encoding="utf-8")
        )
        self.scheduler = f"optimize=Performance\narena_size_limit={features.arena_cache_size}\n"

    def compile(self, model: bytes, details: bool) -> dict[str, Any]:
        """What Vela says of a model: seconds, bytes, and by operation if asked or if one stays on the CPU."""
        database = "enable_db=true\n" if details else ""
        options = (
            f"\n[compiler]\n{database}output_format=TFLite\ncop_format=COP1\n\n"
            f"[scheduler]\n{self.scheduler}disable_feature=\ncpu_tensor_alignment=16\n"
            "tensor_allocator=HillClimb\n\n[graph]\nsoftmax_int16_neg_exp_range=10.0\n"
        )
        compiled = self.regor.compile(self.family, model, "TFLITE", self.system, options=options)
        report = compiled.perf_report
        if report.cpuOps and not details:  # the operations are to be named
            return self.compile(model, True)
        memories = {str(name).lower(): memory.peakUsage for name, memory in report.memories.items()}
        used = sum(size for name, size in memories.items() if name not in ("shram", "lutram"))
        return {
            "seconds": report.totalCycles / self.clock_hz,
            "ram_bytes": used - report.readOnlyPeakUsage,
            "flash_bytes": len(compiled.model),
            "operators": _operators(compiled.opt_database, self.clock_hz) if details else [],
        }


def _operators(database: Any, clock_hz: float) -> list[tuple[int, str, float, bool]]:
    """(position in the file, Vela's name, seconds, whether it stays on the CPU) of each operator."""
    seconds: dict[str, float] = {}
    on_cpu = set()
    for row in _rows(database, "perf"):
        key = row["source_id"]
        seconds[key] = seconds.get(key, 0.0) + float(row["op_cycles"]) / clock_hz
        if row["operator"] == "Passthrough":
            on_cpu.add(key)
    return [
        (int(row["ext_key"]), row["operator"], seconds.get(row["id"], 0.0), row["id"] in on_cpu)
        for row in _rows(database, "source")
    ]


def _rows(database: Any, name: str) -> list[dict[str, str]]:
    table = database.tables[name]
    return [dict(zip(table.header, row, strict=False)) for row in table.data]


def _failure(error: BaseException) -> str:
    """One line; Vela's own errors keep their text in ``data``."""
    return " ".join(str(getattr(error, "data", None) or error or type(error).__name__).split())


def main() -> None:
    """Answer requests until standard input ends."""
    requests = sys.stdin.buffer
    with os.fdopen(int(sys.argv[1]), "wb") as answers:
        compiler: Compiler | None = None
        while True:
            try:
                request = pickle.load(requests)
            except EOFError:
                return
            answer: tuple[str, Any]
            try:
                if compiler is None:
                    compiler = Compiler(request)
                    answer = ("done", {"clock_hz": compiler.clock_hz})
                else:
                    answer = ("done", compiler.compile(*request))
            except BaseException as error:  # also what a compiler ends with instead of an exception
                answer = ("failed", _failure(error))
            pickle.dump(answer, answers)
            answers.flush()


if __name__ == "__main__":
    main()
