"""Line charts as SVG, drawn by hand: time along the bottom, one or two lines, nothing that needs a script."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 560, 190
LEFT, RIGHT, TOP, BOTTOM = 54, 14, 12, 26
MAX_POINTS = 240
"""Points of one line; of more, each stands for several by their mean, which no eye can tell."""

Points = Sequence[tuple[float, float | None]]
"""Seconds and values; `None` where there is none, which is a gap in the line."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a chart."""

    name: str
    points: Points


@dataclass(frozen=True, kw_only=True)
class Chart:
    """What to draw."""

    title: str
    unit: str
    lines: Sequence[Line]
    least: float
    """The value that the axis reaches at least, so that noise does not look like mountains."""

    decimals: int = 0


def draw(chart: Chart, seconds: float) -> str:
    """The chart as an `<svg>` element; colours and fonts are for the page's style to say."""
    lines = [Line(name=line.name, points=_thinned(line.points)) for line in chart.lines]
    values = [value for line in lines for _, value in line.points if value is not None]
    top = nice_top(max([*values, chart.least]))
    frame = _Frame(seconds=max(seconds, 1.0), top=top)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(chart.title, quote=True)}">',
        *_grid(frame),
    ]
    for number, line in enumerate(lines):
        parts += _line(line, frame, f"line{number}", filled=number == 0)
    parts += _hover(chart, lines, frame)
    parts.append("</svg>")
    return "".join(parts)


@dataclass(frozen=True, kw_only=True)
class _Frame:
    seconds: float
    top: float

    def x(self, at: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * min(1.0, max(0.0, at / self.seconds))

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(1.0, max(0.0, value / self.top))

    def point(self, at: float, value: float) -> str:
        return f"{self.x(at):.1f},{self.y(value):.1f}"


def nice_top(value: float) -> float:
    """The end of an axis that has room for `value` and can be divided into four steps that people can read."""
    if value <= 0:
        return 1.0
    size = 10.0 ** math.floor(math.log10(value))
    return next(step * size for step in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 4.8, 6, 8, 10) if step * size >= value)


def time_steps(seconds: float) -> list[float]:
    """Where to write the time: at four to eight round moments."""
    steps = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
    step = next((each for each in steps if seconds / each <= 8), 86400 * math.ceil(seconds / 86400 / 8))
    return [number * step for number in range(int(seconds // step) + 1)]


def clock(seconds: float) -> str:
    """`m:ss`, or `h:mm:ss`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def number(value: float, decimals: int = 0) -> str:
    """A value as people read it."""
    return f"{value:,.{decimals}f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def _grid(frame: _Frame) -> list[str]:
    parts = []
    decimals = next((few for few in range(6) if math.isclose(round(frame.top / 4, few), frame.top / 4)), 6)
    for quarter in range(5):
        value = frame.top * quarter / 4
        y = frame.y(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(
            f'<text class="tick" x="{LEFT - 8}" y="{y + 3.5:.1f}" text-anchor="end">{number(value, decimals)}</text>'
        )
    for at in time_steps(frame.seconds):
        x = frame.x(at)
        parts.append(f'<text class="tick" x="{x:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{clock(at)}</text>')
    return parts


def _line(line: Line, frame: _Frame, style: str, *, filled: bool) -> list[str]:
    parts = []
    for run in _runs(line.points):
        points = " ".join(frame.point(at, value) for at, value in run)
        if len(run) == 1:
            x, y = frame.x(run[0][0]), frame.y(run[0][1])
            parts.append(f'<circle class="{style} dot" cx="{x:.1f}" cy="{y:.1f}" r="2"/>')
            continue
        if filled:
            ground = frame.y(0)
            first, last = frame.x(run[0][0]), frame.x(run[-1][0])
            parts.append(
                f'<polygon class="{style} area" points="{first:.1f},{ground:.1f} {points} {last:.1f},{ground:.1f}"/>'
            )
        parts.append(f'<polyline class="{style}" points="{points}"/>')
    return parts


def _runs(points: Points) -> list[list[tuple[float, float]]]:
    runs: list[list[tuple[float, float]]] = [[]]
    for at, value in points:
        if value is not None:
            runs[-1].append((at, value))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _hover(chart: Chart, lines: Sequence[Line], frame: _Frame) -> list[str]:
    """Columns that say what stands there when somebody points at them; browsers need no script for that."""
    parts = []
    times = [at for at, _ in lines[0].points] if lines else []
    for index, at in enumerate(times):
        left = frame.x((times[index - 1] + at) / 2 if index else 0)
        right = frame.x((at + times[index + 1]) / 2 if index + 1 < len(times) else frame.seconds)
        told = [
            f"{line.name} {number(value, max(chart.decimals, 1))} {chart.unit}"
            for line in lines
            if index < len(line.points) and (value := line.points[index][1]) is not None
        ]
        parts.append(
            f'<rect class="hover" x="{left:.1f}" y="{TOP}" width="{max(right - left, 0.1):.1f}" '
            f'height="{HEIGHT - TOP - BOTTOM}"><title>{escape(clock(at))} — {escape(" · ".join(told))}</title></rect>'
        )
    return parts


def _thinned(points: Points) -> Points:
    if len(points) <= MAX_POINTS:
        return points
    size = math.ceil(len(points) / MAX_POINTS)
    groups = [points[start : start + size] for start in range(0, len(points), size)]
    return [(group[-1][0], _mean([value for _, value in group if value is not None])) for group in groups]


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
