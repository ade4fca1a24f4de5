"""WAV files: PCM of 8, 16, 24 and 32 bits and floats, any number of channels, made mono.

The header is read by itself, so that rates and lengths of many files are known before one is decoded,
and so that a file that was cut off is told from a whole one.
"""

from __future__ import annotations

import struct
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgenas.data.disk import Array

UNREADABLE = (OSError, ValueError, EOFError, struct.error)
"""What reading a damaged file raises."""

_FULL_SCALE = {"uint8": (128.0, 128.0), "int16": (0.0, 2.0**15), "int32": (0.0, 2.0**31)}
"""(middle, largest) by the type that scipy gives; 24 bits come as the upper bits of int32."""


@dataclass(frozen=True, slots=True)
class WavHeader:
    """What the header of a WAV file says.

    Attributes:
        sample_rate_hz: Samples a second.
        samples: Samples of each channel.
    """

    sample_rate_hz: int
    samples: int


def read_header(file: Path) -> WavHeader:
    """Rate and length of a WAV file, without its samples.

    Raises:
        ValueError: It is no whole WAV file, or of a rate or length of 0.
        OSError: It cannot be read.
    """
    left = file.stat().st_size - 12
    with file.open("rb") as stream:
        head = stream.read(12)
        if len(head) < 12 or head[:4] != b"RIFF" or head[8:] != b"WAVE":
            raise ValueError("no RIFF/WAVE header")
        rate = frame_bytes = 0
        while left >= 8:
            name, size = struct.unpack("<4sI", stream.read(8))
            left -= 8
            if name == b"data":
                return _checked(rate, frame_bytes, size, left)
            chunk = stream.read(size + size % 2)
            left -= len(chunk)
            if name == b"fmt ":
                if len(chunk) < 16:
                    raise ValueError("its format is cut off")
                rate, frame_bytes = struct.unpack("<I", chunk[4:8])[0], struct.unpack("<H", chunk[12:14])[0]
    raise ValueError("it holds no samples")


def _checked(rate: int, frame_bytes: int, size: int, left: int) -> WavHeader:
    if not rate or not frame_bytes:
        raise ValueError("it holds no format before its samples")
    if size > left:
        raise ValueError(f"it is cut off: {size} bytes of samples are announced, {max(0, left)} are there")
    if size < frame_bytes:
        raise ValueError("it holds no samples")
    return WavHeader(rate, size // frame_bytes)


def read_wav(file: Path) -> tuple[int, Array]:
    """(sample rate in Hz, samples in [-1, 1] as float32 of shape (n,)), the mean of all channels.

    Raises:
        ValueError: It is damaged, compressed, or holds values that are not finite.
        OSError: It cannot be read.
    """
    from scipy.io import wavfile

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", wavfile.WavFileWarning)  # chunks with texts, which do not matter
        try:
            rate, samples = wavfile.read(file)
        except ZeroDivisionError:  # no channels, or fewer bytes a frame than channels
            raise ValueError("its header says that a sample has no bytes") from None
        except (TypeError, UnboundLocalError):  # floats of 13 bytes, no part that says how samples are stored
            raise ValueError("its header does not say how samples are stored") from None
    if samples.dtype.kind == "f":
        audio = samples.astype(np.float32)
    elif samples.dtype.name in _FULL_SCALE:
        middle, largest = _FULL_SCALE[samples.dtype.name]
        audio = ((samples.astype(np.float64) - middle) / largest).astype(np.float32)
    else:
        raise ValueError(f"samples of type {samples.dtype}; PCM of 8 to 32 bits or float is read")
    if not np.isfinite(audio).all():
        raise ValueError("it holds NaN or infinity")
    return int(rate), audio if audio.ndim == 1 else audio.mean(axis=1, dtype=np.float32)


def resample(audio: Array, old_hz: int, new_hz: int) -> Array:
    """Samples at another rate, by a polyphase filter (scipy's ``resample_poly``)."""
    if old_hz == new_hz:
        return audio
    from math import gcd

    from scipy.signal import resample_poly

    common = gcd(old_hz, new_hz)
    resampled: Array = resample_poly(audio, new_hz // common, old_hz // common).astype(np.float32)
    return resampled
