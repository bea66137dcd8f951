"""Receptors of simulated cells: clones by population, chains that readers take, and what the checks find."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from stietime.cells.receptors import pair_chains
from stietime.inputs.receptors import read_receptors
from stietime.simulate import receptors
from stietime.simulate.clone_checks import clone_records
from stietime.simulate.cohort import Sample, simulate_sample
from stietime.storage import write_table

BEFORE, AFTER = Sample("p1", "TIME", "before"), Sample("p1", "TIME", "after")
BLOOD = Sample("p1", "STIE", "before")


@pytest.fixture(scope="module")
def tumour():
    return simulate_sample(BEFORE, 1500, seed=2).obs


def clones(population, sample, n=4000, seed=1):
    return pd.Series(receptors.clones_of(np.full(n, population, dtype=object), sample, seed))


def test_only_t_cells_have_a_clone(tumour):
    single = tumour[tumour["true_kind"] != "doublet"]
    assert ((single["true_clone"] != "") == (single["true_lineage"] == "t_cell")).all()
    assert (single["true_partner_clone"] == "").all()
    # the names of a doublet are those of its cell with more RNA, its clones those of both
    doublets = tumour[tumour["true_kind"] == "doublet"]
    has = doublets[["true_clone", "true_partner_clone"]].ne("").any(axis=1)
    assert has[doublets["true_lineage"] == "t_cell"].all()


def test_naive_cells_are_clones_of_one_and_exhausted_cells_expand():
    assert clones("cd8_naive", BEFORE).is_unique
    exhausted = clones("tex_terminal", BEFORE)
    in_pool = exhausted.str.startswith("p1_exhausted_")
    assert in_pool.mean() == pytest.approx(receptors.POOLS["exhausted"].share["tex_terminal"], abs=0.02)
    sizes = exhausted[in_pool].value_counts(normalize=True)
    assert len(sizes) == 15
    harmonic = (1 / np.arange(1, 16)).sum()
    assert sizes["p1_exhausted_1"] == pytest.approx(1 / harmonic, abs=0.03)
    assert sizes["p1_exhausted_2"] == pytest.approx(1 / 2 / harmonic, abs=0.03)


def test_treatment_brings_clones_that_the_tumour_did_not_have_and_the_blood_had():
    before, after, blood = (
        set(clones(*pair)) for pair in (("texp", BEFORE), ("texp", AFTER), ("cd8_effector", BLOOD))
    )
    new = clones("texp", AFTER).str.startswith("p1_new_")
    assert not any(clone.startswith("p1_new_") for clone in before)
    assert new.mean() == pytest.approx(receptors.REPLACED * receptors.NEW.share["texp"], abs=0.03)
    arrived = {clone for clone in after if clone.startswith("p1_new_")}
    assert arrived <= blood


def test_clones_of_patients_differ_and_do_not_change_with_other_cells():
    one, other = clones("texp", BEFORE), clones("texp", Sample("p2", "TIME", "before"))
    assert not set(one) & set(other)
    assert one.equals(clones("texp", BEFORE))


def test_chains_are_in_frame_and_belong_to_one_clone():
    found = {receptors.chain(f"p{i}_new_{j}", "TRB")[1] for i in range(20) for j in range(20)}
    assert len(found) == 400
    gene, nucleotides, residues = receptors.chain("p1_new_1", "TRA")
    codons = {codon: residue for residue, codon in receptors.CODONS.items()} | {"TGC": "C"}
    assert "".join(codons[nucleotides[i : i + 3]] for i in range(0, len(nucleotides), 3)) == residues
    assert gene in receptors.V_GENES["TRA"]


def test_the_reader_gives_the_true_clones_back(tumour, tmp_path):
    table = receptors.airr_table(tumour, BEFORE, 2)
    write_table(table, tmp_path / "airr.tsv")
    read = read_receptors(tmp_path / "airr.tsv", "")
    assert read.kind == "AIRR"
    dying = tumour.index[tumour["true_kind"] == "dying"]
    assert not table["cell_id"].isin(dying).any()
    paired = pair_chains(read.chains, tumour.index, match="nucleotide").set_axis(tumour.index)
    single = tumour[(tumour["true_kind"] == "cell") & (tumour["true_clone"] != "")]
    both = paired.loc[single.index].query("alpha != '' and beta != ''")
    share = receptors.ALPHA_SEEN * receptors.BETA_SEEN
    assert len(both) / len(single) == pytest.approx(share, abs=0.06)
    names = (both["alpha"] + both["beta"]).groupby(single.loc[both.index, "true_clone"])
    assert (names.first() == names.last()).all()
    assert (both["alpha"] + both["beta"]).nunique() == names.ngroups


def joined(rows):
    columns = ["patient", "environment", "timepoint", "true_clone"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(keep=True, true_kind="cell")


def test_checks_compare_the_true_shares_with_those_that_were_found():
    rows = [("p1", "STIE", "before", c) for c in ("a", "b", "n")]
    rows += [("p1", "TIME", "before", c) for c in ("a", "a", "c", "d")]
    rows += [("p1", "TIME", "after", c) for c in ("a", "n", "n", "e")]
    found = pd.DataFrame(
        [
            ("p1", "all", "sharing", 0.45, "before", "TIME", "STIE"),
            ("p1", "all", "sharing", 0.99, "before", "normal", "STIE"),
            ("p1", "all", "replacement", 0.5, None, "TIME", None),
            ("p1", "all", "new_from_blood", 2 / 3, None, "TIME", None),
        ],
        columns=["patient", "entity", "index", "value", "timepoint", "environment", "other"],
    )
    records = pd.DataFrame(clone_records(joined(rows), found)).set_index("check")
    assert records["planted"].tolist() == pytest.approx([0.5, 0.75, 2 / 3])
    assert records["recovered"].tolist() == pytest.approx([0.45, 0.5, 2 / 3])
    assert records["met"].tolist() == [True, False, True]
