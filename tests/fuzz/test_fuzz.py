"""A short run of the fuzzers: by coverage with atheris where it is installed, and by mutation with Hypothesis."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ..elements.cases import WIRE, XEP, known_elements
from ..sdp.cases import texts
from .targets import TARGETS

ROOT = Path(__file__).parent.parent.parent
SECONDS = 4


def seeds(target: str) -> list[bytes]:
    if target == "sdp":
        return [text.encode() for _, text in texts()]
    found = [xml for path in (*XEP, *WIRE[:4]) for xml in known_elements(path)]
    return [ET.tostring(xml) for xml in found if xml.tag == "{urn:xmpp:jingle:1}jingle"]


@pytest.mark.parametrize("target", TARGETS)
def test_seeds(target: str) -> None:
    for seed in seeds(target):
        TARGETS[target](seed)


@pytest.mark.parametrize("target", TARGETS)
def test_by_coverage(target: str, tmp_path: Path) -> None:
    """No exception but ours, no input that takes a second, no more than half a gigabyte."""
    if importlib.util.find_spec("atheris") is None:
        by_hypothesis(target)
        return
    corpus, given_seeds = tmp_path / "corpus", tmp_path / "seeds"
    corpus.mkdir()
    given_seeds.mkdir()
    for number, seed in enumerate(seeds(target)):
        (given_seeds / str(number)).write_bytes(seed)
    options = [
        f"-max_total_time={SECONDS}",
        "-timeout=5",
        "-rss_limit_mb=512",
        "-max_len=20000",
        f"-artifact_prefix={tmp_path}/",
    ]
    run = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.fuzz", target, *options, str(corpus), str(given_seeds)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
    )
    found = [path.read_bytes() for path in tmp_path.glob("*-*") if path.is_file()]
    assert run.returncode == 0, f"{found}\n{run.stdout[-2000:]}\n{run.stderr[-2000:]}"
    assert "Done " in run.stderr


def by_hypothesis(target: str) -> None:
    known = seeds(target)

    @settings(max_examples=200)
    @given(st.sampled_from(known), st.data())
    def mutate(seed: bytes, data: st.DataObject) -> None:
        for _ in range(data.draw(st.integers(0, 4))):
            at, length = data.draw(st.integers(0, len(seed))), data.draw(st.integers(0, 8))
            seed = seed[:at] + data.draw(st.binary(max_size=6)) + seed[at + length :]
        TARGETS[target](seed)

    mutate()


@pytest.mark.parametrize("target", TARGETS)
def test_by_mutation(target: str) -> None:
    by_hypothesis(target)
