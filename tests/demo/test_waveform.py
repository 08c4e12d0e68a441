"""The picture of two waves, read back with a decoder."""

from __future__ import annotations

import io

import av
import numpy as np
from numpy.typing import NDArray

from jingle.demo.waveform import draw_waveforms

from .test_likeness import RATE, speech

BLUE, ORANGE = (31, 98, 200), (207, 98, 20)


def picture(png: bytes) -> NDArray[np.uint8]:
    with av.open(io.BytesIO(png), "r") as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24").astype(np.uint8)


def columns(image: NDArray[np.uint8], colour: tuple[int, int, int]) -> NDArray[np.intp]:
    """How many pixels of a colour each column has."""
    count: NDArray[np.intp] = (image == colour).all(axis=2).sum(axis=0)
    return count


def test_two_lanes() -> None:
    wave = speech()
    image = picture(draw_waveforms({"sent": wave, "heard": wave * 0.5}, RATE))
    assert image.shape == (24 + 2 * 170 + 44, 1200, 3)
    sent, heard = columns(image, BLUE), columns(image, ORANGE)
    assert sent.sum() > 1.4 * heard.sum() > 0
    assert (image == (60, 66, 74)).all(axis=2).any()  # labels


def test_time_runs_to_the_right() -> None:
    wave = np.zeros(4 * RATE)
    wave[3 * RATE : 3 * RATE + 1600] = np.sin(np.arange(1600))
    loud = columns(picture(draw_waveforms({"sent": wave}, RATE)), BLUE)
    assert 24 + 0.74 * 1152 < loud.argmax() < 24 + 0.78 * 1152


def test_a_shorter_recording_ends_earlier() -> None:
    wave = np.sin(np.arange(4 * RATE))
    image = picture(draw_waveforms({"sent": wave, "heard": wave[: 2 * RATE]}, RATE))
    assert columns(image, ORANGE).nonzero()[0].max() < 24 + 1152 / 2 + 2


def test_few_samples_nothing_and_no_traces() -> None:
    for traces in ({"A": np.ones(3)}, {"a": np.zeros(100)}, {"a": np.zeros(0)}, {}):
        assert draw_waveforms(traces, RATE).startswith(b"\x89PNG")
    assert (
        picture(draw_waveforms({"long label that does not fit" * 9: np.ones((9, 2), np.int16)}, 8000)).shape[1] == 1200
    )
