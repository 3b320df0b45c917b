"""Many items side by side: what is done, what failed, and what is never begun."""

from __future__ import annotations

import threading

import pytest

from sluicegate.tools.parallel import each


class Odd(Exception):
    """The item is odd."""


def refuse_odd(number: int) -> int:
    if number % 2:
        raise Odd(number)
    return number * 10


def test_every_item_has_its_result_and_the_items_keep_their_order() -> None:
    results = each(range(0, 20, 2), refuse_odd, 4)
    assert dict(results.done) == {number: number * 10 for number in range(0, 20, 2)}
    assert (dict(results.failed), results.not_started, results.first_failure) == ({}, (), None)


def test_after_the_first_failure_nothing_new_is_begun() -> None:
    results = each([0, 2, 3, 4, 6], refuse_odd, 1)
    assert (list(results.done), list(results.failed), results.not_started) == ([0, 2], [3], (4, 6))
    assert isinstance(results.first_failure, Odd)


def test_as_many_as_are_allowed_may_fail() -> None:
    results = each([1, 3, 4, 5, 6], refuse_odd, 1, max_failed=2)
    assert (list(results.done), list(results.failed), results.not_started) == ([4], [1, 3, 5], (6,))


def test_no_more_are_worked_on_than_are_allowed_at_once() -> None:
    together, most, lock = 0, 0, threading.Lock()
    full = threading.Barrier(3)

    def work(number: int) -> None:
        nonlocal together, most
        with lock:
            together += 1
            most = max(most, together)
        full.wait(timeout=30)  # ends when three are in here at once
        with lock:
            together -= 1

    results = each(range(9), work, 3)
    assert (most, results.first_failure) == (3, None)


def test_what_is_under_way_is_finished() -> None:
    begun, failing = threading.Event(), threading.Event()

    def work(number: int) -> int:
        if number == 0:
            begun.wait(timeout=30)
            failing.set()
            raise Odd
        begun.set()
        failing.wait(timeout=30)
        return number

    results = each([0, 1, 2], work, 2)
    assert 1 in results.done and 0 in results.failed


@pytest.mark.parametrize("at_once", [1, 3])
def test_an_interrupt_ends_it_from_whichever_thread(at_once: int) -> None:
    def work(number: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        each(range(3), work, at_once)


def test_no_items_are_no_work() -> None:
    assert each([], refuse_odd, 4).not_started == ()
