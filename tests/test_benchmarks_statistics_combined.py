"""The benchmark of combined cohorts: its comparators, its draws, and the page it writes."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks import statistics_combined as combined
from benchmarks.parts import PAGES
from benchmarks.record import write_figures
from benchmarks.statistics import document_combined
from benchmarks.statistics_cohorts import Model
from scipy import stats

from stietime.cohort.testing.moderated import t_quantile

MODEL = Model("drawn", np.array([0.4, 0.3, 0.2, 0.1]), np.full(4, 0.5))
Y = np.array([[0.1, 1.0], [0.9, 1.4], [0.4, -0.5]])
SE = np.array([[0.2, 0.3], [0.3, 0.2], [0.1, 0.4]])
DF = np.full((3, 2), 6.0)


@pytest.mark.parametrize(
    ("method", "effect", "adjust"),
    [
        (combined.dersimonian_laird, "random effect", False),
        (combined.common_effect, "fixed effect", False),
        (combined.hartung_knapp, "random effect wls", True),
    ],
)
def test_comparators_equal_statsmodels(method, effect, adjust):
    meta = pytest.importorskip("statsmodels.stats.meta_analysis")
    estimates, halves = method(Y, SE, DF)
    for i in range(Y.shape[1]):
        theirs = meta.combine_effects(
            Y[:, i], SE[:, i] ** 2, method_re="iterated" if adjust else "dl", use_t=adjust
        )
        frame = theirs.summary_frame()
        assert estimates[i] == pytest.approx(frame.loc[effect, "eff"], rel=1e-4)
        half = (stats.t.ppf(0.975, 2) if adjust else 1.959964) * frame.loc[effect, "sd_eff"]
        assert halves[i] == pytest.approx(half, rel=1e-4)


def test_ours_is_never_narrower_than_the_normal_interval_nor_the_untruncated_one():
    known = combined.ours_as_known(Y, SE, DF)[1]
    assert (known >= combined.hartung_knapp(Y, SE, DF)[1] - 1e-12).all()
    assert (known >= combined.common_effect(Y, SE, DF)[1] - 1e-12).all()
    assert (combined.truncated(Y, SE, DF)[1] >= combined.hartung_knapp(Y, SE, DF)[1] - 1e-12).all()
    wide = t_quantile(0.975, DF) / 1.959964
    np.testing.assert_allclose(
        combined.ours(Y, SE, DF)[1], combined.ours_as_known(Y, SE * wide, DF)[1], rtol=1e-5
    )


def test_a_large_shift_is_found_and_cohorts_that_differ_have_wider_intervals():
    shift = np.array([0, 0, 0, 2.5])
    found = combined.simulate(MODEL, 5, 0.0, 3, seed=1, shift=shift)
    assert found["ours"].found(np.array([3])) == 1
    assert found["ours"].covers(np.zeros(4)) < 1
    apart = combined.simulate(MODEL, 5, 2.0, 3, seed=1)
    assert apart["ours"].width() > 2 * found["ours"].width()
    again = combined.simulate(MODEL, 5, 2.0, 3, seed=1)
    np.testing.assert_array_equal(apart["ours"].estimate, again["ours"].estimate)


def test_the_page_shows_what_was_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(combined, "models", lambda: [Model("PBMC", MODEL.share, MODEL.spread)])
    monkeypatch.setattr(combined, "RUNS", 20)
    monkeypatch.setattr(combined, "NUMBERS", (2,))
    figures = combined.figures(quick=True)
    assert {figure.target for figure in figures} == {"", "<= 0.06", ">= 0.93"}
    write_figures("statistics", figures, (), tmp_path)
    page = document_combined((PAGES / "meta.md").read_text(encoding="utf-8"), tmp_path)
    assert (
        "| coverage of 95 % intervals of the mean effect | PBMC, 2 cohorts of 4, 10 pairs, spread 0 |" in page
    )
    assert (
        "5 cohorts of" not in page.partition("<!-- combined -->")[2].partition("<!-- end of combined -->")[0]
    )


def test_without_the_data_nothing_is_claimed(monkeypatch):
    monkeypatch.setattr(combined, "models", list)
    figures = combined.figures(quick=True)
    assert len(figures) == 1
    assert not figures[0].met
