"""Work beside what makes the next item: order, errors, and one item at a time."""

import threading

import pytest

from neurodiffuse.errors import DataError
from neurodiffuse.overlap import ahead, follow


def test_what_follows_keeps_the_order_and_stops_at_an_error():
    made, seen = [], []

    def items():
        for k in range(6):
            made.append(k)
            yield k

    follow(items(), seen.append)
    assert seen == made == list(range(6))

    def fail(k):
        if k == 2:
            raise DataError("two")

    made.clear()
    with pytest.raises(DataError, match="two"):
        follow(items(), fail)
    assert made == [0, 1, 2, 3]  # the next one was under way


def test_the_next_item_is_made_while_one_is_worked_on():
    made = threading.Event()

    def items():
        yield 0
        made.set()
        yield None  # an item like any other
        yield 2

    seen = []
    for item in ahead(items()):
        if item == 0:
            assert made.wait(10)
        seen.append(item)
    assert seen == [0, None, 2]


def test_an_error_comes_after_what_was_made_before_it():
    def items():
        yield 0
        raise DataError("one")

    seen = []
    with pytest.raises(DataError, match="one"):
        for item in ahead(items()):
            seen.append(item)
    assert seen == [0]
