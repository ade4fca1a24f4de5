"""A folder of WAVs, one subfolder per class, made into log-mel spectrograms.

All clips get one sample rate and one length, and then go through one `LogMel` front end, whose numbers
stand in the manifest so that a device computes the same. `edgenas.data.class_folders` has the layout.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from edgenas.data.class_folders import ClassFolders, Corrupt, FileType, first_named, list_classes
from edgenas.data.dataset import Source
from edgenas.data.decoded import Decoder, common, counted, decode_all, left_out
from edgenas.data.disk import Array
from edgenas.data.kinds import AUDIO
from edgenas.data.log_mel import LogMel
from edgenas.data.reading import Reading
from edgenas.data.wav import UNREADABLE, WavHeader, read_header, read_wav, resample
from edgenas.errors import DataError

WAVS = FileType((".wav", ".wave"), "WAVs", "a whole WAV of PCM or float samples")


def read_wavs(folder: Path, reading: Reading) -> Source:
    """Read a folder of WAVs as log-mel spectrograms.

    Args:
        folder: Laid out as `edgenas.data.class_folders` says.
        reading: Its ``sample_rate_hz``, ``clip_seconds``, ``corrupt``, ``memory_bytes`` and ``cache``
            count here.

    Raises:
        DataError: No class folders, no WAVs, unreadable WAVs (named) that are not to be left out, or
            several sample rates (files named) and none to resample to.
        StoreError: Spectrograms larger than memory cannot be written to the cache.
    """
    corrupt = Corrupt(WAVS, reading.corrupt == "skip")
    folders = list_classes(folder, WAVS)
    headers = {file: header for file in folders.files if (header := _header(file, corrupt))}
    readable = folders.without(corrupt.found)
    if not readable.listings["train"].files:
        corrupt.skip = False
    corrupt.refuse()
    rate = reading.sample_rate_hz or _one_rate(folder, headers)
    lengths = {file: round(header.samples * rate / header.sample_rate_hz) for file, header in headers.items()}
    clip = _clip_samples(readable, lengths, rate, reading)
    front_end = LogMel.for_clips(rate, clip)
    pairs, where = decode_all(readable, _decoder(front_end), reading, corrupt)
    return Source(
        folder.resolve().name, pairs["train"], pairs.get("validation"), pairs.get("test"), folders.classes,
        warnings=(
            *_changes(headers, lengths, front_end), *left_out(folders.others(), "WAV"), *corrupt.warnings(),
            *([where] if where else []),
        ),
        kind=AUDIO.name,
        front_end=front_end,
        skipped=tuple(map(str, corrupt.found)),
    )  # fmt: skip


def from_waveforms(name: str, x: Array, sample_rate_hz: int) -> tuple[Array, LogMel]:
    """Spectrograms of clips in an array, and the front end that made them.

    Args:
        name: Of the data, for messages.
        x: Samples in [-1, 1] as floats, or int16, of shape (clips, samples).
        sample_rate_hz: Samples a second.

    Raises:
        DataError: Another shape or type, or values out of range.
    """
    if x.ndim != 2 or x.dtype.kind not in "if" or x.dtype.itemsize < 2 or not x.size:
        raise DataError(
            f"data '{name}': audio of type {x.dtype} and shape {x.shape} was given; expected floats in "
            "[-1, 1] or int16 of shape (clips, samples)"
        )
    audio = x.astype(np.float32) / (2.0**15 if x.dtype == np.int16 else 1.0)
    if not np.isfinite(audio).all() or np.abs(audio).max() > 1.001:
        raise DataError(
            f"data '{name}': audio with values up to {np.abs(audio).max():g} was given; expected -1 to 1: "
            "divide it by its full scale"
        )
    front_end = LogMel.for_clips(sample_rate_hz, audio.shape[1])
    return np.concatenate(
        [front_end(audio[start : start + 64]) for start in range(0, len(audio), 64)]
    ), front_end


def _header(file: Path, corrupt: Corrupt) -> WavHeader | None:
    """Rate and length; None if the file cannot be read, which is noted."""
    try:
        return read_header(file)
    except UNREADABLE as error:
        corrupt.add(file, error)
        return None


def _one_rate(folder: Path, headers: Mapping[Path, WavHeader]) -> int:
    """The sample rate of all files.

    Raises:
        DataError: They have several.
    """
    rates = [header.sample_rate_hz for header in headers.values()]
    usual: int = common(rates)
    odd = [file for file, header in headers.items() if header.sample_rate_hz != usual]
    if odd:
        every = ", ".join(map(str, sorted(set(rates))))
        raise DataError(
            f"data '{folder}': WAVs of several sample rates were given ({every} Hz); {len(odd)} have not "
            f"{usual}: {first_named(odd)}; expected one rate: have all resampled with "
            f"--sample-rate-hz {usual}, or remove them"
        )
    return usual


def _clip_samples(folders: ClassFolders, lengths: Mapping[Path, int], rate: int, reading: Reading) -> int:
    """Length of all clips: as asked for, or the most common in train."""
    if reading.clip_seconds is not None:
        return max(1, round(reading.clip_seconds * rate))
    clip: int = common([lengths[file] for file in folders.listings["train"].files])
    return clip


def _changes(headers: Mapping[Path, WavHeader], lengths: Mapping[Path, int], front_end: LogMel) -> list[str]:
    """Warnings about clips that were changed."""
    rate, clip, number = front_end.sample_rate_hz, front_end.clip_samples, len(headers)
    other = sum(header.sample_rate_hz != rate for header in headers.values())
    short, long = (
        sum(compare(length, clip) for length in lengths.values()) for compare in (int.__lt__, int.__gt__)
    )
    seconds = f"{clip / rate:g} s"
    return [
        *counted(other, number, f"clips were resampled to {rate} Hz"),
        *counted(short, number, f"clips are shorter than {seconds} and were filled up with silence"),
        *counted(long, number, f"clips are longer than {seconds} and were cut at their end"),
    ]


def _decoder(front_end: LogMel) -> Decoder:
    def decode(file: Path) -> Array:
        rate, audio = read_wav(file)
        spectrogram: Array = front_end(resample(audio, rate, front_end.sample_rate_hz))
        return spectrogram

    return Decoder(front_end.shape, "float32", decode, UNREADABLE, repr(front_end))
