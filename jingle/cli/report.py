"""`--report FILE`: how a call went, as a page that needs nothing but a browser."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from ..client import Call, Event, MediaStats, Sample
from ..errors import MediaError
from .charts import Chart, Line, Points, clock, draw, number
from .status import Status

STYLE = """
:root{--ink:#1d2733;--soft:#5d6b7a;--ground:#f4f6f8;--card:#fff;--edge:#dfe5ea;--a:#1f6feb;--b:#e0792b;--good:#1a7f4b;
--bad:#c2352b}
@media(prefers-color-scheme:dark){:root{--ink:#e4eaf0;--soft:#93a1b0;--ground:#11161c;--card:#1a212a;--edge:#2b3541;
--a:#5aa2ff;--b:#f0a05a;--good:#4cc38a;--bad:#ff7b72}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:1220px;margin:0 auto;padding:32px 24px 48px}
h1{font-size:26px;margin:0 0 2px;letter-spacing:-.01em;overflow-wrap:anywhere}
h2{font-size:17px;margin:32px 0 12px;text-transform:capitalize}
.sub{color:var(--soft);margin:0 0 22px}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px}
.tile,.chart{background:var(--card);border:1px solid var(--edge);border-radius:12px;padding:12px 16px}
.tile b{display:block;font-size:20px;font-weight:600;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.tile span,.unit,.key{color:var(--soft);font-size:13px}
.good{color:var(--good)}.bad{color:var(--bad)}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,480px),1fr));gap:12px}
.chart h3{font-size:15px;margin:0;display:flex;gap:8px;align-items:baseline;flex-wrap:wrap}
.key{font-weight:400}.key i{display:inline-block;width:14px;height:3px;border-radius:2px;margin:0 5px 3px 6px}
.key .line0{background:var(--a)}.key .line1{background:var(--b)}
svg{display:block;width:100%;height:auto;margin-top:6px;font:11px system-ui,sans-serif}
.grid{stroke:var(--edge);stroke-width:1}.tick{fill:var(--soft)}
polyline{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
polyline.line0{stroke:var(--a)}polyline.line1{stroke:var(--b)}
.area.line0{fill:var(--a);opacity:.09}.dot.line0{fill:var(--a)}.dot.line1{fill:var(--b)}
.hover{fill:transparent}.hover:hover{fill:var(--soft);opacity:.15}
footer{color:var(--soft);font-size:13px;margin-top:28px}
"""


@dataclass(kw_only=True)
class Report:
    """Gathers what a call tells, and writes it down at its end."""

    path: Path
    connected: dict[str, Any] = field(default_factory=dict)
    ended: dict[str, Any] = field(default_factory=dict)
    local: str = ""
    began: float = 0.0

    def beside(self, others: Callable[[Event], None]) -> Callable[[Event], None]:
        """What takes every event, as `connect` wants it, and hands it on to `others`."""

        def take(event: Event) -> None:
            self.note(event)
            others(event)

        return take

    def note(self, event: Event) -> None:
        """Take an event of the peer."""
        match event.name:
            case "online":
                self.local = str(event.fields["jid"])
            case "connected":
                self.connected, self.ended, self.began = dict(event.fields), {}, event.time
            case "ended" if event.fields.get("sid") == self.connected.get("sid"):
                self.ended = dict(event.fields)

    def write(self, call: Call) -> None:
        """Write the page of a call that has ended.

        Raises:
            MediaError: It cannot be written there.
        """
        page = render(self, call.history, call.stats())
        try:
            self.path.write_text(page, encoding="utf-8")
        except OSError as exc:
            raise MediaError(f"cannot write the report {self.path}: {exc.strerror}") from exc


async def reported(talking: Coroutine[Any, Any, Status], call: Call, report: Report | None) -> Status:
    """Wait for the end of a call and write the report of it, also where somebody pressed Ctrl-C.

    Raises:
        MediaError: It cannot be written there.
    """
    try:
        return await talking
    finally:
        if report is not None:
            await call.hang_up()
            await asyncio.to_thread(report.write, call)


def check_report(path: Path | None) -> None:
    """Find before going online that `--report` cannot be written.

    Raises:
        MediaError: It cannot.
    """
    if path is not None and not os.access(path if path.exists() else path.parent, os.W_OK):
        raise MediaError(f"cannot write the report {path}: no such folder, or it cannot be written")


def render(report: Report, history: Sequence[Sample], final: dict[str, MediaStats]) -> str:
    """The page; everything in it that others said is escaped."""
    seconds = float(report.ended.get("seconds") or (history[-1].at if history else 0.0))
    peer = str(report.connected.get("peer", ""))
    began = time.strftime("%A, %d %B %Y, %H:%M:%S", time.localtime(report.began))
    media = "".join(_medium(name, history, stats, seconds) for name, stats in final.items())
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>Call with {escape(peer)}</title><style>{STYLE}</style></head><body><main>"
        f"<h1>Call with {escape(peer)}</h1>"
        f'<p class="sub">{escape(report.local)} · {escape(began)}</p>'
        f'<section class="tiles">{_tiles(report, seconds)}</section>{media}'
        "<footer>Rates are those of the last five seconds; loss is that of the last second. Point at a chart to read "
        "its values.</footer></main></body></html>\n"
    )


def _tiles(report: Report, seconds: float) -> str:
    connected, reason = report.connected, str(report.ended.get("reason", "unknown"))
    text = report.ended.get("text")
    path = f"{connected.get('local_candidate')} → {connected.get('remote_candidate')}"
    return "".join(
        [
            _tile("talked", clock(seconds)),
            _tile("connected after", f"{number(1000 * float(connected.get('setup', 0)))} ms"),
            _tile(f"ended ({text})" if text else "ended", reason, "good" if reason == "success" else "bad"),
            _tile(str(connected.get("transport", "path")), path),
            _tile("encryption", str(connected.get("security", "none")).upper()),
        ]
    )


def _tile(name: str, value: str, style: str = "") -> str:
    return f'<div class="tile"><b class="{style}">{escape(value)}</b><span>{escape(name)}</span></div>'


def _medium(name: str, history: Sequence[Sample], stats: MediaStats, seconds: float) -> str:
    charts = "".join(_card(chart, seconds) for chart in charts_of(name, history))
    return (
        f'<h2>{escape(name)}</h2><section class="tiles">{_summary(stats)}</section>'
        f'<section class="charts" style="margin-top:12px">{charts}</section>'
    )


def _summary(stats: MediaStats) -> str:
    expected = stats.packets_received + stats.packets_lost
    tiles = [
        _tile("codec", stats.codec or "none"),
        _tile(f"sent, {number(stats.packets_sent)} packets", f"{number((stats.bit_rate_sent or 0) / 1000)} kbit/s"),
        _tile(
            f"received, {number(stats.packets_received)} packets",
            f"{number((stats.bit_rate_received or 0) / 1000)} kbit/s",
        ),
        _lost("lost on the way there", stats.packets_lost_by_peer, stats.packets_sent),
        _lost("lost on the way here", stats.packets_lost, expected),
    ]
    if stats.rtt is not None:
        tiles.append(_tile("round trip", f"{1000 * stats.rtt:.1f} ms"))
    sizes = [f"{size[0]}×{size[1]}" if size is not None else "—" for size in (stats.size_sent, stats.size_received)]
    if stats.size_sent is not None or stats.size_received is not None:
        tiles.append(_tile("picture sent, received", ", ".join(dict.fromkeys(sizes))))
    return "".join(tiles)


def _lost(name: str, lost: int, expected: int) -> str:
    share = 100 * lost / expected if expected else 0.0
    return _tile(name, f"{share:.1f} %", "good" if share < 1 else "bad" if share > 3 else "")


def _card(chart: Chart, seconds: float) -> str:
    key = "".join(f'<i class="line{each}"></i>{escape(line.name)}' for each, line in enumerate(chart.lines))
    return (
        f'<div class="chart"><h3>{escape(chart.title)} <span class="unit">{escape(chart.unit)}</span>'
        f'<span class="key">{key}</span></h3>{draw(chart, seconds)}</div>'
    )


def charts_of(name: str, history: Sequence[Sample]) -> list[Chart]:
    """What is drawn of one medium."""

    def over_time(read: Callable[[MediaStats], float | None]) -> Points:
        return [(sample.at, read(sample.media[name]) if name in sample.media else None) for sample in history]

    charts = [
        Chart(
            title="Bit rate",
            unit="kbit/s",
            lines=[
                Line(name="sent", points=over_time(lambda each: _scaled(each.bit_rate_sent, 0.001))),
                Line(name="received", points=over_time(lambda each: _scaled(each.bit_rate_received, 0.001))),
            ],
            least=10,
        ),
        Chart(
            title="Loss",
            unit="%",
            lines=[
                Line(name="of the peer's packets", points=_loss(name, history, received=True)),
                Line(name="of ours", points=_loss(name, history, received=False)),
            ],
            least=4,
            decimals=1,
        ),
        Chart(
            title="Delay",
            unit="ms",
            lines=[
                Line(name="jitter", points=over_time(lambda each: _scaled(each.jitter, 1000))),
                Line(name="round trip", points=over_time(lambda each: _scaled(each.rtt, 1000))),
            ],
            least=20,
            decimals=1,
        ),
    ]
    counted = [sample.media[name] for sample in history if name in sample.media]
    if any(each.frame_rate_sent or each.frame_rate_received for each in counted):
        title = "Pictures"
        sent, received = over_time(lambda each: each.frame_rate_sent), over_time(lambda each: each.frame_rate_received)
    else:
        title = "Packets"
        sent = _gains(over_time(lambda each: each.packets_sent))
        received = _gains(over_time(lambda each: each.packets_received))
    lines = [Line(name="sent", points=sent), Line(name="received", points=received)]
    return [*charts, Chart(title=title, unit="a second", lines=lines, least=10)]


def _gains(counts: Points) -> Points:
    """What a counter gained in a second, from sample to sample."""
    points: list[tuple[float, float | None]] = []
    last, before = 0.0, 0.0
    for at, count in counts:
        points.append((at, (count - before) / (at - last) if count is not None and at > last else None))
        last, before = at, count if count is not None else before
    return points


def _loss(name: str, history: Sequence[Sample], *, received: bool) -> Points:
    """Percent of the packets since the sample before that got lost."""
    points: list[tuple[float, float | None]] = []
    before = MediaStats()
    for sample in history:
        now = sample.media.get(name)
        if now is None:
            points.append((sample.at, None))
            continue
        if received:
            lost = now.packets_lost - before.packets_lost
            expected = lost + now.packets_received - before.packets_received
        else:
            lost = now.packets_lost_by_peer - before.packets_lost_by_peer
            expected = now.packets_sent - before.packets_sent
        points.append((sample.at, min(100.0, 100 * max(0, lost) / expected) if expected > 0 else None))
        before = now
    return points


def _scaled(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor
