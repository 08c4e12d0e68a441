from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jingle.applications.rtp.rate import RateController
from jingle.transports.base import BandwidthEstimated, LossReported


def controller() -> RateController:
    return RateController(start=500_000, least=50_000, most=2_000_000)


@pytest.mark.parametrize(("fraction", "after"), [(0.0, 540_000), (0.05, 500_000), (0.2, 450_000), (1.0, 250_000)])
def test_loss_decides(fraction: float, after: int) -> None:
    """Below 2 % more, from 2 to 10 % the same, above by half of what was lost less."""
    rate = controller()
    rate.take(LossReported(fraction), 0)
    assert rate.bit_rate == after


def test_reports_that_come_often_count_once_a_second() -> None:
    rate = controller()
    for tenth in range(10):
        rate.take(LossReported(0.0), tenth / 10)
    assert rate.bit_rate == 540_000
    rate.take(LossReported(0.0), 1.0)
    assert rate.bit_rate == 583_200


def test_what_the_path_carries_is_not_exceeded() -> None:
    rate = controller()
    rate.take(BandwidthEstimated(300_000), 0)
    assert rate.bit_rate == 300_000
    rate.take(BandwidthEstimated(1_000_000), 1)
    assert rate.bit_rate == 500_000


@given(
    st.lists(
        st.one_of(
            st.builds(LossReported, st.floats(0, 1)),
            st.builds(BandwidthEstimated, st.integers(0, 1 << 40)),
        )
    )
)
def test_it_stays_within_its_bounds(feedback: list[LossReported | BandwidthEstimated]) -> None:
    rate = controller()
    for second, each in enumerate(feedback):
        rate.take(each, second)
        assert 50_000 <= rate.bit_rate <= 2_000_000
