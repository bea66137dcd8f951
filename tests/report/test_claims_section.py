"""The report's section of claims: what opens, what is drawn, what stands side by side."""

from __future__ import annotations

import html
import re

import numpy as np
import pandas as pd
import pytest

from stietime import names
from stietime.report.build import render_page
from stietime.report.evidence_plots import MOST_PATIENTS, Effect, evidence_svg, evidence_words
from stietime.report.sections import claims as claims_section


def values_of(first, second):
    n = len(first)
    patients = [f"p{i}" for i in range(n)]
    rows = {"patient": patients * 2, "arm": ["first"] * n + ["second"] * n, "natural": [*first, *second]}
    return pd.DataFrame(rows)


EFFECT = Effect(0.8, 0.1, 1.5, 0.5, "up", "difference in log-odds", ("higher in tumour", "higher in blood"))
ARMS = ("blood", "tumour")


def drawn(first, second, *, paired=True, kind="cell_fraction", effect=EFFECT):
    return evidence_svg(values_of(first, second), effect, kind=kind, arms=ARMS, what="Treg", paired=paired)


def dots(svg, name):
    path = re.search(rf'<path class="{name}" d="([^"]*)"', svg)
    return [tuple(map(float, dot)) for dot in re.findall(r"M([\d.]+) ([\d.]+)h0", path[1])] if path else []


def test_dots_stand_at_the_values_of_the_patients():
    first, second = [0.1, 0.4, 0.2], [0.3, 0.0, 0.2]
    svg = drawn(first, second)
    of_first = sorted(y for _, y in dots(svg, "a"))
    # 0 to 40 % between the bottom (136) and the top (24)
    assert of_first == pytest.approx(sorted(136 - np.array(first) / 0.4 * 112), abs=0.06)
    lines = re.search(r'<path class="l" d="([^"]*)"', svg)[1]
    ends = re.findall(r"M92 ([\d.]+)L200 ([\d.]+)", lines)
    by_hand = {(136 - b / 0.4 * 112, 136 - a / 0.4 * 112) for a, b in zip(first, second, strict=True)}
    found = sorted((float(b), float(a)) for b, a in ends)
    np.testing.assert_allclose(found, sorted(by_hand), atol=0.06)
    assert "n = 3" in svg
    assert "Treg (%)" in svg


def test_groups_are_not_joined_and_missing_values_are_left_out():
    svg = drawn([0.1, np.nan, 0.2, 0.3], [np.nan, 0.2, np.nan, 0.1], paired=False)
    assert 'class="l"' not in svg
    assert (len(dots(svg, "a")), len(dots(svg, "b"))) == (3, 2)


def test_the_margin_lies_around_zero_and_the_interval_where_it_is():
    svg = drawn([0.1, 0.2], [0.2, 0.3])
    left, width = (
        float(x) for x in re.search(r'class="band" x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', svg).groups()
    )
    zero = float(re.search(r'class="z" d="M([\d.]+)', svg)[1])
    assert left + width / 2 == pytest.approx(zero, abs=0.1)
    low, high = (float(x) for x in re.search(r'class="i" d="M([\d.]+) [\d.]+H([\d.]+)"', svg).groups())
    point = float(re.search(r'class="p" d="M([\d.]+)', svg)[1])
    scale = width / 2 / EFFECT.margin
    assert [low, point, high] == pytest.approx([zero + scale * v for v in (0.1, 0.8, 1.5)], abs=0.2)
    assert "claimed: \N{RIGHTWARDS ARROW}" in svg


def test_many_patients_are_thinned_evenly_and_that_is_said():
    n = 3 * MOST_PATIENTS
    svg = drawn(np.linspace(0, 1, n), np.linspace(1, 0, n))
    assert len(dots(svg, "a")) == MOST_PATIENTS
    assert f"{MOST_PATIENTS} of {n} patients drawn" in svg
    assert len(svg) < 16_000


def test_a_drawing_is_made_without_patients_and_text_is_escaped():
    svg = evidence_svg(pd.DataFrame(), EFFECT, kind="signature", arms=ARMS, what="<b>", paired=True)
    assert 'class="i"' in svg
    assert "<b>" not in svg
    row = {"n_patients": 4, "n_pairs": 4, "estimate": 1.0, "ci_low": 0.0, "ci_high": 2.0, "q": 0.2}
    words = evidence_words({**row, "expected": "up", "power": 0.25}, "log2 fold change", ["<i>"])
    assert "4 pairs" in words
    assert "Power to find an effect of the margin: 25 %" in words
    assert "&lt;i&gt;" in words


@pytest.fixture(scope="module")
def page(whole):
    results = whole.open()
    made = [claims_section.claims(results), claims_section.conflicts(results)]
    return render_page(results, made, title="t", subtitle=""), results.table("claims")


def test_every_weighed_claim_opens_its_evidence_and_no_other_does(page):
    text, claims = page
    weighed = int((claims["verdict"] != names.NOT_TESTABLE).sum())
    assert text.count('<details class="more">') == weighed
    assert text.count('role="img"') == weighed
    assert len(text) < 10e6


def test_conflicting_claims_stand_in_one_row_with_their_verdicts(page):
    text, claims = page
    section = text[text.index('<section id="conflicts"') :]
    groups = claims.loc[claims["conflict_group"].fillna("") != ""]
    assert section.count("<tr>") - 1 == groups["conflict_group"].nunique()
    for claim, verdict in zip(groups["claim_id"], groups["verdict"], strict=True):
        assert re.search(rf"{re.escape(claim)}\): {verdict}", html.unescape(section)), claim


def test_claims_of_other_cancers_are_announced(fabricated):
    claims = pd.read_csv(fabricated.path("claims"), sep="\t")
    weighed = claims["verdict"] != names.NOT_TESTABLE
    claims["other_cancer"] = np.where(weighed & (claims["cancer"] == "HCC"), "NSCLC", "")
    claims.to_csv(fabricated.path("claims"), sep="\t", index=False)
    made = claims_section.claims(fabricated.open())
    boxes = [block for block in made.blocks if block.kind == "box"]
    n = int((claims["other_cancer"] != "").sum())
    assert boxes[0].lines[0].startswith(f"{n} claims about other cancers were weighed in NSCLC")
