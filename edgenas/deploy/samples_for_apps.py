"""The folder ``samples/`` of a bundle: a Linux board in Python, an Android app in Kotlin."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from edgenas.deploy import literals
from edgenas.deploy.facts import Facts
from edgenas.deploy.rendering import write_group
from edgenas.deploy.samples import RawSamples

FOLDER = "samples"


def write_samples(folder: Path, facts: Facts, samples: RawSamples) -> None:
    """Write the folder ``samples`` of a bundle.

    Raises:
        OSError: It cannot be written.
    """
    write_group(
        "samples",
        folder / FOLDER,
        {
            "input_size": str(facts.input_size),
            "input_scale": literals.float_literal(facts.input.scale or 0.0),
            "input_zero_point": str(facts.input.zero_point),
            "output_scale": literals.float_literal(facts.output.scale or 0.0),
            "output_zero_point": str(facts.output.zero_point),
            "scale": ", ".join(literals.float_literal(value) for value in samples.scale.tolist()),
            "offset": ", ".join(literals.float_literal(value) for value in samples.offset.tolist()),
            "class_names": ", ".join(_kotlin(name) for name in samples.names(facts.classes)),
            "raw_note": "0 to 255 where they are 8-bit images"
            if samples.values.dtype == np.uint8
            else "float",
            "audio_note": (
                "\nThe network reads log-mel spectrograms: give it one as `.npy`, computed as "
                "`../../c/log_mel.h` says.\n"
                if samples.front_end
                else ""
            ),
        },
    )


def _kotlin(text: str) -> str:
    """A text as Kotlin reads it; its ``$`` would else begin a value."""
    return json.dumps(text).replace("$", "\\$")
