"""Numbers as they are written in tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stietime.report.tables import facts_table, format_number, format_p, format_percent, table


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (3, "3"), (12345.0, "12,345"), (1234.5, "1,234"), (123.45, "123.5"), (1.234, "1.23"),
        (0.1234, "0.123"), (0.00012, "1.20e-04"), (-2.5, "-2.50"), (np.inf, "infinite"), (np.nan, "–"),  # noqa: RUF001
    ],
)  # fmt: skip
def test_numbers_have_three_digits(value, text):
    assert format_number(value) == text


def test_a_p_value_is_never_zero():
    assert [format_p(value) for value in (0.0, 0.04, np.nan)] == ["<0.001", "0.040", "–"]  # noqa: RUF001
    assert format_percent(0.1234) == "12.3 %"


def test_a_column_of_fractions_is_written_evenly_and_sorted_by_its_values():
    made = table(pd.DataFrame({"x": [1.0, 0.25, np.nan]}), "caption")
    assert [row[0].text for row in made.rows] == ["1.00", "0.250", "–"]  # noqa: RUF001
    assert [row[0].value for row in made.rows] == [1.0, 0.25, ""]


def test_columns_are_set_by_what_they_hold():
    frame = pd.DataFrame({"n": [1], "short": ["a"], "long": ["b" * 60], "yes": [True], "empty": [np.nan]})
    made = table(frame, "caption")
    assert [style for _, style in made.headers] == ["num", "plain", "long", "plain"]
    assert made.rows[0][3].text == "yes"


def test_filters_name_columns_by_place():
    frame = pd.DataFrame({"a": ["x"], "b": ["y"]})
    assert table(frame, "caption", filters=("b", "not there")).filters == (1,)


def test_facts_leave_out_what_is_not_known():
    made = facts_table({"n_cells": 1200, "tissue": "", "note": np.nan, "ok": True}, "caption")
    assert made.items == (("n cells", "1,200"), ("ok", "yes"))
