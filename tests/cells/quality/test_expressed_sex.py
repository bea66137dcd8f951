"""The sex that a sample expresses: planted counts, real patients."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest
from scipy import sparse

from stietime.cells.quality.expressed_sex import expressed_sex, sex_in_sheet

HUMAN = ["ACTB", "XIST", "RPS4Y1", "DDX3Y", "EIF1AY"]
MOUSE = ["Actb", "Xist", "Kdm5d", "Eif2s3y", "Ddx3y"]


def cells_of(x_rate, y_rate, *, n_cells=100, seed=1):
    """Poisson counts of one gene that all cells have, XIST, and three genes of the Y."""
    means = np.tile([1000.0, x_rate, y_rate, y_rate / 2, y_rate / 4], (n_cells, 1))
    return sparse.csr_matrix(np.random.default_rng(seed).poisson(means).astype(np.int32))


@pytest.mark.parametrize("genes", [HUMAN, MOUSE])
@pytest.mark.parametrize(("rates", "sex"), [((0.5, 0), "female"), ((0, 0.5), "male")])
def test_planted_sexes_of_either_species(genes, rates, sex):
    cells = cells_of(*rates)
    found, note = expressed_sex(cells, genes)
    assert found == sex
    x, *y = cells.toarray().sum(axis=0)[1:]
    assert note == f"counts: XIST {x}, 3 Y genes {sum(y)}"


def test_summed_counts_and_any_order_of_genes_give_the_same():
    cells = cells_of(0.01, 0.5)
    order = [3, 1, 4, 0, 2]
    expected = expressed_sex(cells, HUMAN)
    assert expected[0] == "male"
    assert expressed_sex(cells.toarray().sum(axis=0), HUMAN) == expected
    assert expressed_sex(cells[:, order], [HUMAN[place] for place in order]) == expected
    assert expressed_sex(cells.toarray(), HUMAN) == expected


@pytest.mark.parametrize(
    ("x", "y", "sex"),
    [
        (9, 0, "unclear"),  # one count short
        (10, 0, "female"),
        (0, 10, "male"),
        (2, 18, "male"),  # a tenth, as ambient RNA brings in
        (3, 18, "unclear"),
        (18, 2, "female"),
        (18, 3, "unclear"),
        (50, 50, "unclear"),
    ],
)
def test_the_rule_at_its_edges(x, y, sex):
    assert expressed_sex(np.array([100_000, x, y, 0, 0]), HUMAN)[0] == sex


def test_what_is_unclear_says_why():
    def why(counts, genes=HUMAN):
        sex, note = expressed_sex(np.array(counts), genes)
        assert sex == "unclear"
        return note

    assert why([1000, 60, 50, 0, 0]).startswith("both XIST and Y genes are expressed, it may be a mixture")
    assert why([1000, 3, 0, 0, 0]) == "too few counts to tell, 10 needed (counts: XIST 3, 3 Y genes 0)"
    # 24 counts among ten million: noise, whatever their ratio
    assert why([10_000_000, 0, 24, 0, 0]).startswith("neither is expressed: fewer than 5 per million")
    assert why([1000, 0, 99], ["ACTB", "MALAT1", "RPS4Y1"]).startswith("XIST is not among the genes")
    assert why([1000, 99], ["ACTB", "XIST"]).startswith("no gene of the Y is among the genes")
    assert why([1000, 99, 0], ["ACTB", "XIST", "ZFY"]).startswith("only 1 gene of the Y is among the genes")
    assert why([0, 0, 0, 0, 0]).startswith("too few counts")


def test_a_sample_without_cells_is_unclear():
    assert expressed_sex(sparse.csr_matrix((0, 5), dtype=np.int32), HUMAN)[0] == "unclear"


@pytest.mark.parametrize(
    ("text", "sex"),
    [("F", "female"), (" Female ", "female"), ("m", "male"), ("MALE", "male"), ("", ""), ("NA", "")],
)
def test_the_sheet_is_read_in_any_spelling(text, sex):
    assert sex_in_sheet(text) == sex


def calls_of(path, *columns):
    """Calls by the groups of some columns of obs."""
    cells = ad.read_h5ad(path)
    counts = sparse.csr_matrix(cells.X)
    groups = cells.obs.reset_index(drop=True).groupby(list(columns), observed=True).indices
    return {key: expressed_sex(counts[rows], cells.var_names) for key, rows in groups.items()}


def sexes_by_patient(calls):
    found = {}
    for (patient, _), (sex, _) in calls.items():
        if sex != "unclear":
            found.setdefault(patient, set()).add(sex)
    return found


@pytest.mark.data
def test_blood_and_tissue_of_real_patients_agree(data_dir):
    lung = data_dir / "zilionis_nsclc_blood_tumor_300" / "zilionis300_counts_recovered.h5ad"
    calls = calls_of(lung, "Patient", "Tissue")
    expected = {key: {"male"} for key in ["p1", "p4", "p6"]} | {
        key: {"female"} for key in ["p2", "p3", "p5", "p7"]
    }
    assert sexes_by_patient(calls) == expected
    assert calls["p3", "blood"][1].startswith("too few counts")  # 3 cells
    ards = calls_of(data_dir / "ards_paired_blood_lung_tcells_500" / "ards_500.h5ad", "patient", "tissue")
    assert sexes_by_patient(ards) == {"P17": {"male"}, "P18": {"female"}, "P19": {"male"}, "P20": {"female"}}


@pytest.mark.data
def test_real_pools_of_people_and_real_lists_without_the_genes_are_unclear(data_dir):
    lanes = calls_of(data_dir / "hao2021_pbmc_1000_raw" / "hao_pbmc_1000.h5ad", "lane")
    pooled = {lane: note for lane, (sex, note) in lanes.items() if sex == "unclear"}
    assert set(pooled) == {f"E2L{number}" for number in range(1, 9)}
    assert all("mixture" in note for note in pooled.values())
    assert {lanes[f"L{number}"][0] for number in range(1, 6)} == {"male"}
    both = calls_of(data_dir / "kang2018_ifnb_pbmc_2000" / "ifnb_2000.h5ad", "stim")
    assert all(found[1].startswith("no gene of the Y") for found in both.values())
    folder = data_dir / "pbmc_three_chemistries_10x"
    for name, why in (
        ("1k_PBMC_v2_filt", "XIST is not"),
        ("1k_PBMC_v3_filt", "XIST is not"),
        ("5prime_PBMC_filt_1kcells", "no gene of the Y"),
    ):
        ((sex, note),) = calls_of(folder / f"{name}.h5ad", "chemistry").values()
        assert (sex, note.startswith(why)) == ("unclear", True)
