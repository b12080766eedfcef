"""Ten steps of one build as processes of their own, all at once. The whole of it, in numbers, is `make prove`."""

from __future__ import annotations

from test.proof.processes import KILLED, many


def test_ten_at_once_make_one_complete_comment() -> None:
    """Ten processes at once leave one comment that has every step, and one right status, whatever they expect."""
    assert len(many(range(3), deaths=False)) == 3


def test_after_some_were_killed_the_final_step_completes_the_comment() -> None:
    """Where a fifth is killed at any moment, `final` leaves one comment with every record and those that stopped."""
    seen = many((1, 14), deaths=True)
    assert 0 < sum(one.killed for one in seen) <= 2 * KILLED
    assert any(one.stopped for one in seen)
