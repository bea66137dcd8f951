"""`stietime combine` on result folders: what it writes, what it refuses, and planted truth."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from benchmarks.statistics_demo import contrasts_of, planted
from tests.browser import open_page
from tests.cohort.meta_analysis.fabricated import claims, cohort, folder_of, row

from stietime.cli import main
from stietime.cohort.meta_analysis.questions import Cohort
from stietime.storage import read_table

NK = "T1_NSCLC_STIE_cell_05"


def a_cohort(name, effect=2.0):
    rows = [
        row("nk", effect, df=30.0, q=0.01),
        row("treg", -1.0, parent="cd4_t"),
        row("CD8A", 0.3, kind="gene_expression"),
    ]
    return cohort(name, *rows, **{NK: ("supported", "same direction", "stie_vs_time", "cell_fraction", "nk")})


@pytest.fixture
def runs(tmp_path):
    """Two runs of different patients."""
    a = folder_of(tmp_path / "a" / "results", a_cohort("lung_a"), patients=("a1", "a2", "a3"))
    b = folder_of(tmp_path / "b", a_cohort("lung_b", 1.5), patients=("b1", "b2"), seed=2)
    return a, b


def combine(*words):
    return main(["combine", *map(str, words)])


def test_two_runs_become_tables_and_a_page(runs, tmp_path, capfd):
    output = tmp_path / "all"
    assert combine(*runs, "--output", output) == 0
    assert f"report: {output / 'index.html'}" in capfd.readouterr().out
    assert {path.name for path in output.iterdir()} == {
        "contrasts.tsv", "cohorts.tsv", "claims.tsv", "provenance.json", "index.html",
    }  # fmt: skip
    contrasts = read_table(output / "contrasts.tsv", ["estimate", "tau2", "i2_low", "prediction_low"])
    assert contrasts["status"].tolist() == ["combined"] * 3
    assert contrasts["cohorts"].tolist() == ["lung_a, lung_b"] * 3
    rows = read_table(output / "cohorts.tsv")
    assert rows.groupby(["kind", "entity"])["weight"].sum().tolist() == pytest.approx([1, 1, 1])
    verdicts = read_table(output / "claims.tsv")
    assert len(verdicts) == 516
    found = verdicts.set_index("claim_id").loc[NK.replace("_", "-")]
    assert (found["status"], found["verdict:lung_a"], found["verdict_here"]) == (
        "combined",
        "supported",
        "supported",
    )
    record = json.loads((output / "provenance.json").read_text())
    assert [one["cohort"] for one in record["cohorts"]] == ["lung_a", "lung_b"]
    assert all(len(one["tables"]["contrasts"]) == 64 for one in record["cohorts"])
    assert record["warnings"] == []


def test_the_page_tells_cohorts_claims_forests_and_methods(runs, tmp_path):
    output = tmp_path / "all"
    assert combine(*runs, "--output", output, "--names", "Lung <A>", "Lung B") == 0
    page = (output / "index.html").read_text()
    assert "Lung &lt;A&gt;" in page
    assert "Lung <A>" not in page
    for text in (
        "Random effects over 2 cohorts of 5 patients",
        "Paule and Mandel",
        "Higgins, Thompson",
        NK.replace("_", "-"),
    ):
        assert text in page
    assert page.count("<img") == 4  # verdicts; a state; what a claim rests on; genes
    assert "The runs used the same settings" in page
    assert "These data are simulated" not in page
    assert not re.search(r"(src|href)=\"(https?:)?//", page)


@pytest.mark.slow
def test_the_page_opens_without_a_network(runs, tmp_path, browser):
    assert combine(*runs, "--output", tmp_path / "all") == 0
    opened = open_page(browser, tmp_path / "all" / "index.html")
    assert opened.asked == []
    assert opened.complaints == []
    assert all(width > 0 for width in opened.image_widths)


def test_the_same_runs_give_the_same_bytes(runs, tmp_path):
    pages = []
    for name in ("one", "two"):
        assert combine(*runs, "--output", tmp_path / name) == 0
        pages.append(
            [
                (tmp_path / name / f).read_bytes()
                for f in ("contrasts.tsv", "cohorts.tsv", "claims.tsv", "index.html")
            ]
        )
    assert pages[0] == pages[1]


def refused(capfd, output, *words):
    """Run into an error of the user; nothing may have been written."""
    assert combine(*words, "--output", output) == 2
    assert not output.exists()
    return capfd.readouterr().err


def test_all_faults_of_the_folders_are_told_at_once(runs, tmp_path, capfd):
    (tmp_path / "empty").mkdir()
    told = refused(
        capfd, tmp_path / "all", runs[0], runs[0], tmp_path / "no", tmp_path / "empty", "--names", "x", "x"
    )
    assert "the same folder stands twice" in told
    assert "there is no such folder" in told
    assert "cohort/contrasts.tsv, cohort/claims.tsv, cohort/composition.tsv" in told
    assert "2 names for 4 folders" in told
    assert "stand twice or hold tabs: 'x'" in told


def test_one_cohort_is_not_enough(runs, tmp_path, capfd):
    assert "1 cohort is not enough" in refused(capfd, tmp_path / "all", runs[0])


def test_a_broken_record_is_named(runs, tmp_path, capfd):
    (runs[1] / "provenance.json").write_text("{")
    told = refused(capfd, tmp_path / "all", *runs)
    assert "the record of the run cannot be read" in told
    assert str(runs[1]) in told


def test_a_table_without_its_columns_is_named(runs, tmp_path, capfd):
    path = runs[1] / "cohort" / "contrasts.tsv"
    read_table(path).drop(columns=["se"]).to_csv(path, sep="\t", index=False)
    assert "lacks the columns se" in refused(capfd, tmp_path / "all", *runs)


def test_claims_of_another_version_are_refused(runs, tmp_path, capfd):
    path = runs[1] / "cohort" / "claims.tsv"
    read_table(path).iloc[5:].to_csv(path, sep="\t", index=False)
    assert "5 claims are not those of lung_a" in refused(capfd, tmp_path / "all", *runs)


def test_the_same_cells_under_other_names_are_refused(runs, tmp_path, capfd):
    again = folder_of(
        tmp_path / "again", a_cohort("again"), patients=("x1", "x2", "x3")
    )  # the cells of lung_a
    told = refused(capfd, tmp_path / "all", *runs, again)
    assert "lung_a and again are not independent" in told
    assert "samples with the same cells: a1_STIE" in told


def test_the_same_patients_of_one_file_are_refused(runs, tmp_path, capfd):
    file = [{"path": "x.h5ad", "sha256": "1"}]
    one = folder_of(tmp_path / "one", a_cohort("one"), seed=5, inputs=file)
    two = folder_of(tmp_path / "two", a_cohort("two"), patients=("p3", "p4"), seed=6, inputs=file)
    assert "share one file and the patients p3" in refused(capfd, tmp_path / "all", one, two)


def test_equal_names_of_patients_or_one_file_alone_are_warned_of(runs, tmp_path, caplog):
    one = folder_of(tmp_path / "one", a_cohort("one"), seed=5)
    two = folder_of(tmp_path / "two", a_cohort("two"), seed=6, stietime="0.2.0")
    shared = [{"path": "x.h5ad", "sha256": "1"}]
    three = folder_of(tmp_path / "three", a_cohort("three"), patients=("q",), seed=7, inputs=shared)
    four = folder_of(tmp_path / "four", a_cohort("four"), patients=("r",), seed=8, inputs=shared)
    assert combine(one, two, three, four, "--output", tmp_path / "all") == 0
    told = caplog.text
    assert "one and two use the same names for 3 patients (p1, p2, p3)" in told
    assert "three and four read the same input (x.h5ad), but no patient of the same name" in told
    assert "different versions of stietime (one 0.1.0, two 0.2.0" in told
    page = (tmp_path / "all" / "index.html").read_text()
    assert "Before you rely on this" in page
    assert "use the same names for 3 patients" in page


def test_cohorts_without_any_contrast_give_a_page_that_says_so(tmp_path):
    folders = [
        folder_of(tmp_path / n, cohort(n), patients=(n,), seed=i) for i, n in enumerate(("one", "two"))
    ]
    assert combine(*folders, "--output", tmp_path / "all") == 0
    assert read_table(tmp_path / "all" / "contrasts.tsv").empty
    assert (read_table(tmp_path / "all" / "claims.tsv")["verdict"] == "not testable").all()
    page = (tmp_path / "all" / "index.html").read_text()
    assert "No claim can be tested in any of these cohorts" in page
    assert "No effect was measured by two cohorts on one scale" in page


def test_species_are_not_mixed(runs, tmp_path, capfd):
    mouse = folder_of(tmp_path / "mouse", a_cohort("mouse"), patients=("m",), species="mouse", seed=9)
    assert "different species: human, mouse" in refused(capfd, tmp_path / "all", *runs, mouse)


def test_the_record_of_a_run_is_never_overwritten(runs, capfd):
    assert combine(*runs, "--output", runs[0]) == 2
    assert "holds the results of a run" in capfd.readouterr().err
    assert "settings" in json.loads((runs[0] / "provenance.json").read_text())


def test_the_strictest_rules_and_differing_settings_are_told(runs, tmp_path, caplog):
    strict = {"comparison": {"alpha": 0.01, "min_pairs": 4}, "states": {"score_method": "aucell"}}
    other = folder_of(tmp_path / "strict", a_cohort("strict"), patients=("s",), seed=9, settings=strict)
    assert combine(*runs, other, "--output", tmp_path / "all") == 0
    assert "the strictest are used: alpha 0.01" in caplog.text
    page = (tmp_path / "all" / "index.html").read_text()
    assert "comparison.min_pairs" in page
    assert "states.score_method" in page


def test_cohorts_are_named_by_the_folder_that_was_configured(tmp_path, capfd):
    settings = [{"results_dir": "results"}, {"results_dir": "results/"}, {}]
    folders = [
        folder_of(
            tmp_path / f"study{i}" / "results", a_cohort(f"t{i}"), patients=(f"p{i}",), seed=i, settings=one
        )
        for i, one in enumerate(settings)
    ]
    assert combine(*folders, "--output", tmp_path / "all") == 0
    assert set(read_table(tmp_path / "all" / "cohorts.tsv")["cohort"]) == {"study0", "study1", "t2"}


def test_planted_effects_are_recovered_over_three_cohorts(tmp_path):
    folders = []
    for seed in (1, 2, 3):
        one = Cohort(f"seed{seed}", contrasts_of(seed, planted=True), claims(), {}, {})
        path = tmp_path / one.name
        folders.append(folder_of(path, one, patients=(f"s{seed}",), seed=seed))
    assert combine(*folders, "--output", tmp_path / "all") == 0
    truth = planted()
    table = (
        read_table(tmp_path / "all" / "contrasts.tsv")
        .set_index(["contrast", "entity"])
        .loc[list(truth.index)]
    )
    assert (table["n_cohorts"] == 3).all()
    assert (table["n_patients"] == 12).all()
    covered = (table["ci_low"] <= truth) & (truth <= table["ci_high"])
    assert covered.mean() >= 0.9
    strong = truth.abs() > 0.5
    assert strong.sum() >= 5
    assert (np.sign(table["estimate"]) == np.sign(truth))[strong].all()
    singles = [
        read_table(path / "cohort" / "contrasts.tsv").set_index(["contrast", "entity"]) for path in folders
    ]
    error = (table["common_estimate"] - truth).abs().mean()
    assert error < np.mean([(one.loc[list(truth.index), "estimate"] - truth).abs().mean() for one in singles])
