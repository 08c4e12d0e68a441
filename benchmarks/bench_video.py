"""What does a second of pictures cost, against aiortc's own encoders? Processor time, the same pictures, the same run.

The picture is the test card with some noise and movement; each codec encodes 25 a second at its usual bit rate and
decodes them again. The ratio is ours to aiortc's for encoding (less is better); the table has the share of one core
that each way takes, and how close the decoded pictures are (PSNR of brightness, in dB).
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from fractions import Fraction

import numpy as np
from aiortc.codecs.h264 import H264Encoder, h264_depayload
from aiortc.codecs.vpx import Vp8Encoder, vp8_depayload
from av.video.frame import VideoFrame

from jingle.media.test_card import TestCard
from jingle.media.video_codecs import make_video_decoder, make_video_encoder

RATE, BIT_RATE = 25, 1_000_000
Encode = Callable[[VideoFrame, int], bytes]


def pictures(width: int, height: int, count: int) -> list[VideoFrame]:
    card, chance = TestCard(width, height, rate=RATE), np.random.default_rng(1)
    frames = []
    for number in range(count):
        planes = card.picture(number / RATE).to_ndarray().astype(np.int16)
        planes[:height] += chance.integers(-4, 5, (height, width), np.int16)
        frame = VideoFrame.from_ndarray(np.clip(planes, 0, 255).astype(np.uint8), format="yuv420p")
        frame.pts, frame.time_base = number * 90_000 // RATE, Fraction(1, 90_000)
        frames.append(frame)
    return frames


def ours(codec: str) -> Encode:
    encoder = make_video_encoder(codec)
    encoder.bit_rate = BIT_RATE

    def encode(frame: VideoFrame, number: int) -> bytes:
        encoded = encoder.encode(frame, number / RATE)
        return encoded.data if encoded is not None else b""

    return encode


def theirs(codec: str) -> Encode:
    encoder = Vp8Encoder() if codec == "VP8" else H264Encoder()
    encoder.target_bitrate = BIT_RATE
    depayload = vp8_depayload if codec == "VP8" else h264_depayload
    return lambda frame, number: b"".join(depayload(payload) for payload in encoder.encode(frame)[0])


def measure(codec: str, encode: Encode, frames: list[VideoFrame]) -> tuple[float, float, float, float]:
    """Shares of a core to encode and to decode, PSNR, and kilobits a second."""
    began = time.process_time()
    coded = [encode(frame, number) for number, frame in enumerate(frames)]
    encoded = time.process_time()
    decoder = make_video_decoder(codec)
    seen = [decoder.decode(data, number) for number, data in enumerate(coded) if data]
    decoded = time.process_time()
    seconds = len(frames) / RATE
    errors = [
        float(np.mean((_bright(frame[0]) - _bright(frames[number])) ** 2)) for number, frame in enumerate(seen) if frame
    ]
    psnr = 10 * np.log10(255**2 / statistics.fmean(errors))
    bits = sum(map(len, coded)) * 8 / seconds / 1000
    return (encoded - began) / seconds, (decoded - encoded) / seconds, float(psnr), bits


def _bright(frame: VideoFrame) -> np.ndarray:
    return frame.to_ndarray()[: frame.height].astype(np.float64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=4)
    arguments = parser.parse_args()
    print(f"{'':24}{'encoding':>10}{'decoding':>10}{'PSNR':>8}{'kbit/s':>9}")
    for width, height in ((640, 480), (1280, 720)):
        frames = pictures(width, height, arguments.seconds * RATE)
        for codec in ("VP8", "H264"):
            rows = {"ours": measure(codec, ours(codec), frames), "aiortc": measure(codec, theirs(codec), frames)}
            for name, (encoding, decoding, psnr, bits) in rows.items():
                label = f"{codec} {width}x{height} {name}"
                print(f"{label:24}{encoding:10.1%}{decoding:10.1%}{psnr:8.1f}{bits:9.0f}")
            print(f"  ratio {rows['ours'][0] / rows['aiortc'][0]:.2f}")


if __name__ == "__main__":
    main()
