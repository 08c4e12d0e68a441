"""The page that `--report` writes: figures over time, whole in one file, and nothing of others' that browsers obey."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jingle.applications.rtp.history import StatsHistory
from jingle.cli.charts import MAX_POINTS, Chart, Line, clock, draw, nice_top, number, time_steps
from jingle.cli.report import Report, charts_of, check_report, render
from jingle.client import Event, MediaStats, Sample
from jingle.errors import MediaError

HOSTILE = "bob@x/<script>alert(1)</script>&\"'"


def history(seconds: int = 30) -> tuple[Sample, ...]:
    kept = StatsHistory(0.0)
    for second in range(1, seconds + 1):
        audio = MediaStats(
            packets_sent=50 * second,
            packets_received=45 * second,
            packets_lost=5 * second,
            packets_lost_by_peer=2 * second,
            bytes_sent=4000 * second,
            bytes_received=3600 * second,
            jitter=0.003,
            rtt=0.020 if second > 3 else None,
            codec="opus",
        )
        media = {"audio": audio}
        if second > 10:  # added later
            media["video"] = MediaStats(bytes_sent=9000 * second, frames_sent=25 * (second - 10), size_sent=(640, 480))
        kept.add(media, float(second))
    return kept.samples


def report(**ended: object) -> Report:
    made = Report(path=Path("unused"))
    made.note(Event(name="online", time=1.0, fields={"jid": "alice@x/<i>"}))
    connected = {"peer": HOSTILE, "sid": "s", "setup": 0.137, "transport": "ice-udp", "security": "dtls"}
    made.note(
        Event(name="connected", time=2.0, fields={**connected, "local_candidate": "host", "remote_candidate": "relay"})
    )
    made.note(Event(name="ended", time=3.0, fields={"sid": "another", "reason": "busy", "seconds": 1.0}))
    made.note(
        Event(name="ended", time=3.0, fields={"sid": "s", "reason": "success", "text": None, "seconds": 30.0, **ended})
    )
    return made


class Page(HTMLParser):
    """What a browser makes of it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta",):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words += f" {data}"


def test_the_page_is_whole_and_alone() -> None:
    samples = history()
    text = render(report(text="<b>bye"), samples, dict(samples[-1].media))
    page = Page(text)
    assert page.open == []
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "link", "img", "iframe", "object", "b>"}
    assert not re.search(r"https?://|@import|url\(|src=|href=|\son\w+=", text.replace(HOSTILE, ""))
    assert HOSTILE in page.words
    assert "<b>bye" in page.words
    assert "alice@x/<i>" in page.words
    for word in (
        "0:30",
        "137 ms",
        "success",
        "host → relay",
        "DTLS",
        "opus",
        "32 kbit/s",
        "4.0 %",
        "10.0 %",
        "20.0 ms",
    ):
        assert word in page.words, word
    assert "640×480" in page.words
    assert sum(tag == "svg" for tag, _ in page.tags) == 8


def test_a_call_of_no_time_and_without_figures() -> None:
    page = Page(render(report(seconds=0.0), (), {"audio": MediaStats()}))
    assert page.open == []
    assert "0:00" in page.words


def test_what_is_drawn() -> None:
    charts = {chart.title: chart for chart in charts_of("audio", history())}
    assert list(charts) == ["Bit rate", "Loss", "Delay", "Packets"]
    last = {(chart.title, line.name): line.points[-1][1] for chart in charts.values() for line in chart.lines}
    assert last["Bit rate", "sent"] == pytest.approx(32)
    assert last["Loss", "of the peer's packets"] == pytest.approx(10)
    assert last["Loss", "of ours"] == pytest.approx(4)
    assert last["Delay", "jitter"] == pytest.approx(3)
    assert last["Packets", "received"] == pytest.approx(45)
    assert charts["Delay"].lines[1].points[0] == (1.0, None)
    pictures = charts_of("video", history())[-1]
    assert pictures.title == "Pictures"
    assert pictures.lines[0].points[0] == (1.0, None)
    assert pictures.lines[0].points[-1][1] == pytest.approx(25)


def drawn(points: list[tuple[float, float | None]], seconds: float, least: float = 1.0) -> ET.Element:
    chart = Chart(title="<x>", unit="&", lines=[Line(name="'", points=points)], least=least)
    return ET.fromstring(draw(chart, seconds))


VALUES = st.one_of(st.none(), st.floats(0, 1e9))


@given(st.lists(VALUES, max_size=600), st.floats(0, 1e6))
def test_whatever_the_figures_the_lines_stay_in_the_picture(values: list[float | None], seconds: float) -> None:
    points = [(index * seconds / max(len(values), 1), value) for index, value in enumerate(values)]
    svg = drawn(points, seconds)
    _, _, width, height = (float(each) for each in svg.get("viewBox", "").split())
    count = 0
    for shape in svg.iter("polyline"):
        for pair in shape.get("points", "").split():
            x, y = (float(each) for each in pair.split(","))
            assert 0 <= x <= width
            assert 0 <= y <= height
            count += 1
    assert count <= MAX_POINTS
    assert len(list(svg.iter("rect"))) <= MAX_POINTS


def test_a_gap_is_a_gap() -> None:
    svg = drawn([(1, 5.0), (2, 5.0), (3, None), (4, 5.0), (5, 6.0), (6, None), (7, 2.0)], 7)
    assert len(list(svg.iter("polyline"))) == 2
    assert len(list(svg.iter("circle"))) == 1


@given(st.floats(1e-6, 1e12))
def test_an_axis_has_room_and_no_more(value: float) -> None:
    top = nice_top(value)
    assert value <= top * (1 + 1e-9) <= value * 2.6


@given(st.floats(1, 1e7))
def test_the_time_is_written_a_few_times(seconds: float) -> None:
    steps = time_steps(seconds)
    assert 1 <= len(steps) <= 9
    assert steps[-1] <= seconds


def test_how_numbers_and_times_are_written() -> None:
    assert [clock(each) for each in (0, 61.4, 3600, 36_061)] == ["0:00", "1:01", "1:00:00", "10:01:01"]
    assert number(1234567.8) == "1\u202f234\u202f568"
    ticks = [text.text for text in drawn([(0, 5.0)], 10, least=10).iter("text")][:5]
    assert ticks == ["0.0", "2.5", "5.0", "7.5", "10.0"]


def test_where_it_cannot_be_written(tmp_path: Path) -> None:
    check_report(None)
    check_report(tmp_path / "new.html")
    with pytest.raises(MediaError, match="no such folder"):
        check_report(tmp_path / "nowhere" / "new.html")
