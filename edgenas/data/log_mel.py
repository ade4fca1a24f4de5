"""Log-mel spectrograms: what an audio network reads, simple enough that plain C computes the same.

For each frame of ``window_samples`` samples, one every ``hop_samples``, with ``N = fft_size``::

    frame[i]   = audio[hop * t + i] * window[i]     window[i] = 0.5 - 0.5 * cos(2 pi i / window_samples)
    power[k]   = |rfft(frame, N)[k]|^2              k = 0 .. N / 2; the frame is filled up with zeros to N
    band[b]    = sum over k of power[k] * weight[k, b]
    out[t, b]  = log(max(band[b], log_floor))       natural logarithm

There is no pre-emphasis, no centring and no padding: frame 0 begins at sample 0, and samples after the
last whole frame are not used. The window is the periodic Hann window. The weights are the triangles of
HTK (Young et al. 2006, The HTK Book, section 5.4), as in ``tf.signal.linear_to_mel_weight_matrix``: with
``mel(f) = 2595 * log10(1 + f / 700)``, the corners are ``mel_bands + 2`` points equally far apart in mel
from ``low_hz`` to ``high_hz``, and each triangle rises and falls linearly in mel with a peak of 1.
Everything after the weights and the window, which are computed in float64 and rounded, is float32.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from edgenas.errors import DataError

SCHEMA_VERSION = 1
KIND = "log-mel"
Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LogMel:
    """A log-mel front end as a value; the formula is in the module's docstring.

    The defaults are for speech commands: 32 ms windows every 20 ms of one second at 16 kHz give
    49 frames of 40 bands.

    Attributes:
        sample_rate_hz: Samples a second of the audio.
        window_samples: Samples of a frame.
        hop_samples: Samples from one frame to the next.
        fft_size: Points of the transform, a power of two, at least ``window_samples``.
        mel_bands: Bands of a frame.
        low_hz: Lower corner of the first band.
        high_hz: Upper corner of the last band, at most half the sample rate.
        log_floor: Smallest band power that is told from silence; audio lies in [-1, 1].
        clip_samples: Samples of a whole clip; a shorter one is filled up with zeros, a longer one cut.

    Raises:
        DataError: A number out of range, or a band so narrow that no point of the transform lies in it.
    """

    sample_rate_hz: int = 16_000
    window_samples: int = 512
    hop_samples: int = 320
    fft_size: int = 512
    mel_bands: int = 40
    low_hz: float = 20.0
    high_hz: float = 7_600.0
    log_floor: float = 1e-4
    clip_samples: int = 16_000

    def __post_init__(self) -> None:
        for name in ("sample_rate_hz", "window_samples", "hop_samples", "fft_size", "mel_bands"):
            if getattr(self, name) < 1:
                raise DataError(
                    f"log-mel front end: {name} {getattr(self, name)} was given; expected 1 or more"
                )
        if self.fft_size & (self.fft_size - 1) or self.fft_size < self.window_samples:
            raise DataError(
                f"log-mel front end: fft_size {self.fft_size} was given for windows of {self.window_samples} "
                f"samples; expected a power of two of at least that: {_power_of_two(self.window_samples)}"
            )
        if self.clip_samples < self.window_samples:
            raise DataError(
                f"log-mel front end: clips of {self.clip_samples} samples were given; expected at least one "
                f"window of {self.window_samples}"
            )
        if not 0 <= self.low_hz < self.high_hz <= self.sample_rate_hz / 2:
            raise DataError(
                f"log-mel front end: bands from {self.low_hz:g} to {self.high_hz:g} Hz were given; expected "
                f"0 <= low_hz < high_hz <= {self.sample_rate_hz / 2:g}, half the sample rate"
            )
        if not (math.isfinite(self.log_floor) and self.log_floor > 0):
            raise DataError(f"log-mel front end: log_floor {self.log_floor} was given; expected above 0")
        empty = np.flatnonzero(self.mel_weights().sum(axis=0) == 0)
        if len(empty):
            raise DataError(
                f"log-mel front end: {len(empty)} of {self.mel_bands} bands hold no point of a transform of "
                f"{self.fft_size} points; expected fewer bands or a larger fft_size"
            )

    @classmethod
    def for_clips(cls, sample_rate_hz: int, clip_samples: int, mel_bands: int = 40) -> LogMel:
        """The defaults at another rate: windows of 32 ms every 20 ms, bands up to 95 % of half the rate.

        Args:
            sample_rate_hz: Samples a second of the audio.
            clip_samples: Samples of a clip; clips shorter than a window make the window shorter.
            mel_bands: Most bands; fewer are taken where they would be empty.

        Raises:
            DataError: The clips are too short for any front end.
        """
        window = min(round(0.032 * sample_rate_hz), clip_samples)
        numbers = {
            "sample_rate_hz": sample_rate_hz,
            "window_samples": window,
            "hop_samples": max(1, min(round(0.020 * sample_rate_hz), window)),
            "fft_size": _power_of_two(window),
            "high_hz": 0.95 * sample_rate_hz / 2,
            "clip_samples": clip_samples,
        }
        for bands in range(mel_bands, 1, -1):
            try:
                return cls(mel_bands=bands, **numbers)  # type: ignore[arg-type]
            except DataError:
                continue
        return cls(mel_bands=1, **numbers)  # type: ignore[arg-type]

    @property
    def frames(self) -> int:
        """Frames of a clip."""
        return 1 + (self.clip_samples - self.window_samples) // self.hop_samples

    @property
    def shape(self) -> tuple[int, int, int]:
        """(frames, mel_bands, 1), what a network reads."""
        return self.frames, self.mel_bands, 1

    def window(self) -> Float32:
        """The periodic Hann window, float32 of shape (window_samples,)."""
        turns = np.arange(self.window_samples) / self.window_samples
        return (0.5 - 0.5 * np.cos(2 * np.pi * turns)).astype(np.float32)

    def mel_weights(self) -> Float32:
        """The triangles, float32 of shape (fft_size // 2 + 1, mel_bands)."""
        points = _mel(np.arange(self.fft_size // 2 + 1) * (self.sample_rate_hz / self.fft_size))[:, None]
        corners = np.linspace(_mel(self.low_hz), _mel(self.high_hz), self.mel_bands + 2)
        left, peak, right = corners[:-2], corners[1:-1], corners[2:]
        rising, falling = (points - left) / (peak - left), (right - points) / (right - peak)
        weights: Float32 = np.maximum(0.0, np.minimum(rising, falling)).astype(np.float32)
        return weights

    def fit(self, audio: Float32) -> Float32:
        """Audio of shape (..., n) made (..., clip_samples): zeros are added at its end, or its end is cut."""
        missing = self.clip_samples - audio.shape[-1]
        if missing <= 0:
            return audio[..., : self.clip_samples]
        return np.pad(audio, [(0, 0)] * (audio.ndim - 1) + [(0, missing)])

    def __call__(self, audio: Float32) -> Float32:
        """The spectrogram of one clip or of several of the same length.

        Args:
            audio: Samples in [-1, 1], float32 of shape (n_samples,) or (clips, n_samples); see `fit`.

        Returns:
            float32 of shape (frames, mel_bands, 1), or (clips, frames, mel_bands, 1).
        """
        clip = self.fit(np.asarray(audio, np.float32))
        cut = sliding_window_view(clip, self.window_samples, axis=-1)[..., :: self.hop_samples, :]
        spectrum = np.fft.rfft(cut * self.window(), self.fft_size)
        power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
        bands: Float32 = np.log(np.maximum(power @ self.mel_weights(), np.float32(self.log_floor)))
        return bands[..., np.newaxis]

    def to_json(self) -> dict[str, Any]:
        """A plain document with everything that a device needs to compute the same."""
        return {"schema": SCHEMA_VERSION, "kind": KIND, **asdict(self)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> LogMel:
        """What `to_json` wrote.

        Raises:
            DataError: The document is of another kind, of a newer version or lacks a number.
        """
        version = document.get("schema")
        if document.get("kind") != KIND or not isinstance(version, int) or not 1 <= version <= SCHEMA_VERSION:
            raise DataError(
                f"a front end of kind {document.get('kind')!r} and schema {version!r} was given; expected "
                f"'{KIND}' and 1 to {SCHEMA_VERSION}: update edgenas"
            )
        try:
            return cls(**{field.name: document[field.name] for field in fields(cls)})
        except KeyError as error:
            raise DataError(f"a front end without {error} was given; expected all of its numbers") from None


def _mel(hz: Any) -> Any:
    """Hertz as mel (O'Shaughnessy 1987, as HTK has it), float64."""
    return 2595.0 * np.log10(1.0 + np.asarray(hz, np.float64) / 700.0)


def _power_of_two(least: int) -> int:
    """The smallest power of two of at least ``least``."""
    return 1 << max(0, (least - 1).bit_length())
