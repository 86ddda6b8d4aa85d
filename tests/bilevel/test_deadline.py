"""A time limit and a Ctrl-C act on the whole of several solves, not on the one that happens to run."""

from __future__ import annotations

import signal

import pytest

from bilevel import deadline
from bilevel.deadline import Deadline
from bilevel.progress import Progress


def test_what_is_left_shrinks_and_keeps_a_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(deadline.time, "monotonic", lambda: now[0])
    limit = Deadline(10.0)
    assert (limit.left(), limit.left(0.7), limit.over()) == (10.0, pytest.approx(3.0), False)
    now[0] = 108.0
    assert (limit.left(), limit.left(0.5)) == (2.0, 0.5)
    now[0] = 130.0
    assert (limit.left(), limit.over()) == (0.5, True)
    assert Deadline(1000.0).left(1.0) == 1.0
    assert Deadline(None).left(0.5) is None and not Deadline(None).over()


def test_ctrl_c_in_a_part_stops_the_whole_and_every_later_part() -> None:
    with Progress(False) as whole:
        with Progress(False) as first:
            assert not first.stop()
            signal.raise_signal(signal.SIGINT)
            assert first.stop()
        assert whole.stop()
        with Progress(False) as later:
            assert later.stop()
        with pytest.raises(KeyboardInterrupt), Progress(False):
            signal.raise_signal(signal.SIGINT)
    with Progress(False) as other:
        assert not other.stop()


def test_ctrl_c_between_parts_stops_the_later_ones() -> None:
    with Progress(False):
        signal.raise_signal(signal.SIGINT)
        with Progress(False) as part:
            assert part.stop()
