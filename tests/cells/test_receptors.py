"""One receptor per cell, and cells of a patient into clones."""

from __future__ import annotations

import pandas as pd
import pytest

from stietime.cells.receptors import (
    GIVEN,
    MULTIPLET,
    NO_RECEPTOR,
    ONLY_ALPHA,
    ONLY_BETA,
    OTHER_RECEPTOR,
    PAIR,
    given_clones,
    name_clones,
    pair_chains,
)

COLUMNS = ["barcode", "locus", "v_gene", "cdr3_nt", "cdr3_aa", "n_molecules"]


def chains(*rows):
    return pd.DataFrame([(c, locus, v, nt, aa, n) for c, locus, v, nt, aa, n in rows], columns=COLUMNS)


def test_the_dominant_chain_counts_whatever_the_order():
    rows = [
        ("a", "TRA", "TRAV1", "TGT", "C", 2.0),
        ("a", "TRA", "TRAV2", "TGC", "C", 5.0),
        ("a", "TRB", "TRBV1", "TTT", "F", 1.0),
        ("tie", "TRA", "TRAV9", "TGT", "C", 1.0),
        ("tie", "TRA", "TRAV3", "TGT", "C", 1.0),
        ("tie", "TRB", "TRBV1", "TTT", "F", 1.0),
    ]
    cells = pd.Index(["a", "tie"])
    found = pair_chains(chains(*rows), cells)
    pd.testing.assert_frame_equal(found, pair_chains(chains(*rows[::-1]), cells))
    assert found.loc["a", "alpha"] == "TRAV2 TGC"
    assert found.loc["tie", "alpha"] == "TRAV3 TGT"
    assert found.loc["a", ["n_alpha", "n_beta", "status"]].tolist() == [2, 1, PAIR]


def test_two_contigs_of_one_chain_count_together():
    rows = [("a", "TRB", "V1", "TTT", "F", 2.0), ("a", "TRB", "V1", "TTT", "F", 2.0)]
    rows += [("a", "TRB", "V2", "TTC", "F", 3.0)]
    found = pair_chains(chains(*rows), pd.Index(["a"])).loc["a"]
    assert (found["beta"], found["n_beta"]) == ("V1 TTT", 2)


def test_every_status():
    rows = [
        ("alpha", "TRA", "V", "T", "C", 1.0),
        ("beta", "TRB", "V", "T", "C", 1.0),
        *[("three", "TRB", f"V{i}", "T", "C", 1.0) for i in range(3)],
        ("told", "TRB", "V", "T", "C", 1.0),
        ("gamma", "TRG", "V", "T", "C", 1.0),
        ("stranger", "TRB", "V", "T", "C", 1.0),
    ]
    cells = pd.Index(["alpha", "beta", "three", "told", "gamma", "none"])
    status = pair_chains(chains(*rows), cells, multiplets=["told"])["status"].to_dict()
    assert status == {
        "alpha": ONLY_ALPHA, "beta": ONLY_BETA, "three": MULTIPLET, "told": MULTIPLET,
        "gamma": OTHER_RECEPTOR, "none": NO_RECEPTOR,
    }  # fmt: skip


def test_amino_acids_join_what_nucleotides_part():
    rows = [("a", "TRB", "V", "TGT", "C", 1.0), ("b", "TRB", "V", "TGC", "C", 1.0)]
    by = {match: pair_chains(chains(*rows), pd.Index(["a", "b"]), match=match)["beta"] for match in
          ("nucleotide", "amino_acid")}  # fmt: skip
    assert by["nucleotide"].tolist() == ["V TGT", "V TGC"]
    assert by["amino_acid"].tolist() == ["V C", "V C"]


def receptors(*rows):
    columns = ["cell", "patient", "alpha", "beta", "status", "clone"]
    return pd.DataFrame(rows, columns=columns)


@pytest.mark.parametrize(("single", "expected"), [("leave_out", ""), ("attach", "A / B")])
def test_cells_of_one_chain(single, expected):
    table = receptors(
        ("1", "p", "A", "B", PAIR, ""),
        ("2", "p", "A", "B", PAIR, ""),
        ("3", "p", "", "B", ONLY_BETA, ""),
        ("4", "q", "", "B", ONLY_BETA, ""),
        ("5", "p", "C", "D", PAIR, ""),
        ("6", "p", "E", "D", PAIR, ""),
        ("7", "p", "", "D", ONLY_BETA, ""),  # of two clones
        ("8", "p", "A", "", ONLY_ALPHA, ""),
    )
    found = name_clones(table, single_chain=single)["clone"].tolist()
    assert found == ["A / B", "A / B", expected, "", "C / D", "E / D", "", expected]


def test_given_clones_stay():
    found = given_clones(pd.Series({"a": "x", "z": "y"}), pd.Index(["a", "b"]))
    assert found["status"].tolist() == [GIVEN, NO_RECEPTOR]
    table = found.assign(cell=["a", "b"], patient="p")
    assert name_clones(table, single_chain="attach")["clone"].tolist() == ["x", ""]
