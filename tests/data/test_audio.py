"""WAV files of every format, and folders of them."""

from __future__ import annotations

import shutil
import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from edgenas.data import Dataset, LogMel, Reading, from_arrays, load_dataset
from edgenas.data.wav import read_header, read_wav, resample
from edgenas.errors import DataError
from tests.data.sounds import chirp, write_sounds


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    write_sounds(tmp_path / "sounds", 12)
    return tmp_path / "sounds"


def write_pcm(file: Path, clip: np.ndarray, width: int, channels: int = 1) -> None:
    """A WAV of 8 to 32 bits by the standard library."""
    full = 2 ** (8 * width - 1)
    steps = np.clip(np.rint(clip * full), -full, full - 1).astype(np.int64) + (full if width == 1 else 0)
    raw = b"".join(int(step).to_bytes(width, "little", signed=width > 1) * channels for step in steps)
    with wave.open(str(file), "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(width)
        out.setframerate(4000)
        out.writeframes(raw)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_pcm_of_every_width(tmp_path: Path, width: int, channels: int) -> None:
    clip = chirp(np.random.default_rng(0), True, samples=200)
    write_pcm(tmp_path / "one.wav", clip, width, channels)
    rate, found = read_wav(tmp_path / "one.wav")
    header = read_header(tmp_path / "one.wav")
    assert (rate, header.sample_rate_hz, header.samples, len(found)) == (4000, 4000, 200, 200)
    assert found.dtype == np.float32 and np.abs(found - clip).max() <= 1.01 * 2.0 ** (1 - 8 * width) + 1e-7


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_float_samples_and_the_mean_of_channels(tmp_path: Path, kind: type) -> None:
    clip = chirp(np.random.default_rng(0), True, samples=200)
    wavfile.write(tmp_path / "one.wav", 4000, np.stack([clip, np.zeros(200)], axis=1).astype(kind))
    assert np.allclose(read_wav(tmp_path / "one.wav")[1], clip / 2, atol=1e-6)


def test_a_header_that_does_not_say_how_samples_are_stored_is_refused(tmp_path: Path) -> None:
    """A float of 13 bytes is announced; then there is nothing behind the first twelve bytes."""
    file = tmp_path / "one.wav"
    wavfile.write(file, 4000, np.zeros(200, np.float32))
    whole = file.read_bytes()
    at = whole.index(b"fmt ") + 8
    odd = whole[: at + 12] + (13).to_bytes(2, "little") + whole[at + 14 :]
    for damaged in (odd, whole[:4] + bytes(4) + whole[8:12]):
        file.write_bytes(damaged)
        with pytest.raises(ValueError, match="does not say how samples are stored"):
            read_wav(file)


def test_resampling_keeps_a_tone() -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(8000) / 8000).astype(np.float32)
    found = resample(tone, 8000, 6000)
    assert len(found) == 6000 and found.dtype == np.float32
    assert np.abs(np.fft.rfft(found)).argmax() == 440
    assert resample(tone, 8000, 8000) is tone


def test_a_folder_becomes_spectrograms_that_its_front_end_gives(sounds: Path) -> None:
    data = load_dataset(sounds)
    assert (data.kind, data.class_names, data.warnings) == ("audio", ("falling", "rising"), ())
    assert isinstance(data.front_end, LogMel) and data.front_end.sample_rate_hz == 4000
    assert data.input_shape == data.front_end.shape and data.train.x.dtype == np.float32
    first = data.front_end(read_wav(sounds / "falling" / "000.wav")[1])
    assert any((split.x == first).all(axis=(1, 2, 3)).any() for split in data.splits.values())
    inputs = data.normalization.apply(data.train.x)
    assert inputs.min() == pytest.approx(0, abs=1e-5) and inputs.max() == pytest.approx(1, abs=1e-5)


def test_samples_in_an_array_are_the_same_data(sounds: Path, tmp_path: Path) -> None:
    files = sorted(sounds.glob("*/*.wav"))
    x = np.stack([wavfile.read(file)[1] for file in files])
    y = np.array([file.parent.name == "rising" for file in files]).astype(int)
    names = ("falling", "rising")
    by_hand = from_arrays(x, y, class_names=names, kind="audio", sample_rate_hz=4000)
    assert by_hand.fingerprint == load_dataset(sounds).fingerprint
    np.savez(tmp_path / "a.npz", x=x, y=y, class_names=names, kind="audio", sample_rate_hz=4000)
    assert load_dataset(tmp_path / "a.npz").fingerprint == by_hand.fingerprint
    with pytest.raises(DataError, match="without a sample rate"):
        from_arrays(x, y, kind="audio")
    with pytest.raises(DataError, match=r"values up to .* expected -1 to 1"):
        from_arrays(x.astype(np.float32), y, kind="audio", sample_rate_hz=4000)


def test_several_rates_are_refused_by_name_or_resampled(sounds: Path) -> None:
    write_sounds(sounds.parent / "fast", 2, rate=8000, samples=3200, seed=1)
    for file in (sounds.parent / "fast").glob("*/*.wav"):
        shutil.copy(file, sounds / file.parent.name / f"fast-{file.name}")
    with pytest.raises(
        DataError, match=r"\(4000, 8000 Hz\); 4 have not 4000: .*fast-000.wav.*--sample-rate-hz 4000"
    ):
        load_dataset(sounds)
    data = load_dataset(sounds, reading=Reading(sample_rate_hz=4000))
    assert data.warnings == ("4 of 28 clips were resampled to 4000 Hz",) and data.input_shape[0] == 19


def test_clips_get_one_length(sounds: Path) -> None:
    wavfile.write(sounds / "rising" / "long.wav", 4000, np.full(2000, 0.1, np.float32))
    wavfile.write(sounds / "rising" / "short.wav", 4000, np.full(900, 0.2, np.float32))
    assert load_dataset(sounds).warnings == (
        "1 of 26 clips are shorter than 0.4 s and were filled up with silence",
        "1 of 26 clips are longer than 0.4 s and were cut at their end",
    )
    data = load_dataset(sounds, reading=Reading(clip_seconds=0.2))
    assert data.front_end is not None and data.front_end.clip_samples == 800


def damage(sounds: Path) -> list[Path]:
    """Three files that cannot be read, each in its own way."""
    cut, empty, compressed = (sounds / "rising" / f"00{at}.wav" for at in range(3))
    cut.write_bytes(cut.read_bytes()[:500])
    empty.write_bytes(b"")
    content = bytearray(compressed.read_bytes())
    content[20:22] = struct.pack("<H", 2)  # ADPCM
    compressed.write_bytes(content)
    return [cut, empty, compressed]


def test_all_damaged_files_are_named_or_left_out(sounds: Path) -> None:
    files = damage(sounds)
    with pytest.raises(
        DataError, match=r"2 WAVs cannot be read: .*000.wav.*cut off.*001.wav.*--corrupt skip"
    ) as caught:
        load_dataset(sounds)  # the headers of two; the third is found when it is decoded
    assert "\n" not in str(caught.value)
    data = load_dataset(sounds, reading=Reading(corrupt="skip"))
    assert sorted(data.skipped) == sorted(map(str, files))
    assert "3 WAVs could not be read and were left out" in data.warnings[-1]
    assert sum(len(split) for split in data.splits.values()) == 21


def test_a_class_of_damaged_files_is_refused(sounds: Path) -> None:
    for file in (sounds / "rising").iterdir():
        file.write_bytes(b"RIFF")
    with pytest.raises(DataError, match=r"class 1 \('rising'\) has no training clips"):
        load_dataset(sounds, reading=Reading(corrupt="skip"))
    for file in (sounds / "falling").iterdir():
        file.write_bytes(b"RIFF")
    with pytest.raises(DataError, match=r"24 WAVs cannot be read: .* and 4 more"):
        load_dataset(sounds, reading=Reading(corrupt="skip"))


def test_images_beside_sounds_and_settings_for_others_are_refused(sounds: Path) -> None:
    for reading, message in (
        (Reading(size=(4, 4)), "a folder of WAVs; expected only for a folder of images"),
        (Reading(label="y"), "label y was given .* expected only for a .csv file"),
    ):
        with pytest.raises(DataError, match=message):
            load_dataset(sounds, reading=reading)
    (sounds / "rising" / "a.png").write_bytes(b"")
    with pytest.raises(DataError, match="both images and WAVs"):
        load_dataset(sounds)


def test_a_clip_in_two_splits_is_a_duplicate(tmp_path: Path) -> None:
    write_sounds(tmp_path / "train", 8)
    write_sounds(tmp_path / "test", 8, seed=1)
    shutil.copy(tmp_path / "train" / "rising" / "000.wav", tmp_path / "test" / "rising" / "copy.wav")
    with pytest.raises(DataError, match=r"1 of 17 test clips \(5.9%\) stand in train too"):
        load_dataset(tmp_path)
    data: Dataset = load_dataset(tmp_path, drop_duplicates=True)
    assert data.duplicates.train == 1
