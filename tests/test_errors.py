"""Errors that a user can mend."""

from __future__ import annotations

import pytest

from stietime.errors import CombinedInputError, InputError, raise_all


def test_an_error_says_what_where_and_the_remedy():
    error = InputError("value 7 is too large", "samples.tsv, row 3, column dose", "use 0 to 5")
    assert str(error).splitlines() == [
        "value 7 is too large",
        "  where: samples.tsv, row 3, column dose",
        "  fix:   use 0 to 5",
    ]


def test_no_error_raises_nothing():
    raise_all([])


def test_one_error_is_raised_as_it_is():
    error = InputError("a", "b", "c")
    with pytest.raises(InputError) as caught:
        raise_all([error])
    assert caught.value is error


def test_several_errors_are_told_together():
    with pytest.raises(CombinedInputError) as caught:
        raise_all([InputError("first", "x", "y"), InputError("second", "x", "y")])
    assert str(caught.value).index("first") < str(caught.value).index("second")


def test_an_empty_group_is_a_mistake_of_ours():
    with pytest.raises(ValueError, match="at least one"):
        CombinedInputError([])
