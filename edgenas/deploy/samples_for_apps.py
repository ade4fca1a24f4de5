"""The folder ``samples/`` of a bundle: a Linux board in Python, an Android app in Kotlin."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from edgenas.deploy import layout, literals
from edgenas.deploy.facts import Facts
from edgenas.deploy.outputs import Outputs
from edgenas.deploy.rendering import write_group
from edgenas.deploy.samples import RawSamples

FOLDER = "samples"
RESET = "        interpreter.resetVariableTensors() // the state of a recurrent layer, which else is kept\n"


def write_samples(folder: Path, facts: Facts, samples: RawSamples, outputs: Outputs) -> None:
    """Write the folder ``samples`` of a bundle: what all tasks share, and what is of this one.

    Raises:
        OSError: It cannot be written.
    """
    values = _values(facts, samples, outputs)
    for group in ("samples", f"tasks/{outputs.task.name}/samples"):
        write_group(group, folder / FOLDER, values)


def _values(facts: Facts, samples: RawSamples, outputs: Outputs) -> Mapping[str, str]:
    is_image = layout.is_image(facts, samples)
    return {
        "input_size": str(facts.input_size),
        "input_scale": literals.float_literal(facts.input.scale or 0.0),
        "input_zero_point": str(facts.input.zero_point),
        "output_size": str(facts.output_size),
        "output_scale": literals.float_literal(facts.output.scale or 0.0),
        "output_zero_point": str(facts.output.zero_point),
        "scale": ", ".join(literals.float_literal(value) for value in samples.scale.tolist()),
        "offset": ", ".join(literals.float_literal(value) for value in samples.offset.tolist()),
        "layout": layout.of_values(facts.input_shape),
        "raw_note": (
            "0 to 255 where they are 8-bit images" if samples.values.dtype == np.uint8 else "as floats"
        ),
        "image_example": f"python {outputs.script}.py PHOTO.png\n" if is_image else "",
        "image_note": (
            "`pillow` is needed for images only; raw values go in as `.npy`."
            if is_image
            else f"An input is a `.npy` file of raw values: {layout.of_values(facts.input_shape)}."
        ),
        "pillow": " pillow" if is_image else "",
        "audio_note": (
            "\nThe network reads log-mel spectrograms: give it one as `.npy`, computed as "
            "`../../c/log_mel.h` says.\n"
            if samples.front_end
            else ""
        ),
        "script": outputs.script,
        "kotlin": outputs.kotlin,
        "kotlin_reset": RESET if facts.keeps_state else "",
        "kotlin_example": outputs.kotlin_example,
        **outputs.kotlin_values(),
    }
