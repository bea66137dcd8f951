"""Receptor files as tools write them, and every kind of mistake in them told at once."""

from __future__ import annotations

import pandas as pd
import pytest

from stietime.errors import CombinedInputError, InputError
from stietime.inputs.receptor_columns import chains_of_cells, clones_of_cells, require_names_of_patients
from stietime.inputs.receptors import read_receptors, v_gene_of

TENX = """barcode,is_cell,contig_id,high_confidence,chain,v_gene,productive,cdr3,cdr3_nt,reads,umis
AAA-1,true,AAA-1_contig_1,true,TRA,TRAV1-2,true,CAVF,TGTGCAGTG,100,5
AAA-1,true,AAA-1_contig_2,true,TRB,TRBV6-2,true,CASSF,TGTGCCAGC,90,7
AAA-1,true,AAA-1_contig_3,true,TRB,TRBV9,false,None,None,9,1
BBB-1,true,BBB-1_contig_1,true,TRB,TRBV6-2,true,CASSF,TGTGCCAGC,50,3
CCC-1,false,CCC-1_contig_1,true,TRB,TRBV6-2,true,CASSF,TGTGCCAGC,50,3
"""
AIRR = """sequence_id\tcell_id\tlocus\tv_call\tproductive\tjunction\tjunction_aa\tduplicate_count
s1\tAAA-1\tTRA\tTRAV1-2*01,TRAV1-1*01\tT\tTGTGCAGTG\tCAV\t5
s2\tAAA-1\tTRB\tTRBV6-2*01\tT\tTGTGCCAGC\tCAS\t7
s3\tAAA-1\tTRB\tTRBV9*01\tF\t\t\t1
s4\tBBB-1\tTRB\tTRBV6-2*02\tT\tTGTGCCAGC\tCAS\t3
"""


def write(folder, name, text):
    path = folder / name
    path.write_text(text)
    return path


def test_cell_ranger_and_airr_give_the_same_chains(tmp_path):
    tenx = read_receptors(write(tmp_path, "filtered_contig_annotations.csv", TENX))
    airr = read_receptors(write(tmp_path, "airr_rearrangement.tsv", AIRR))
    assert (tenx.kind, tenx.n_left_out, airr.kind, airr.n_left_out) == ("10x", 2, "AIRR", 1)
    assert list(tenx.barcodes) == list(airr.barcodes) == ["AAA-1", "BBB-1"]
    same = ["barcode", "locus", "v_gene", "cdr3_nt", "n_molecules"]
    pd.testing.assert_frame_equal(tenx.chains[same], airr.chains[same])


def test_v_genes_lose_alleles_and_further_calls():
    assert v_gene_of("TRBV6-2*01,TRBV6-3*01") == "TRBV6-2"
    assert v_gene_of("TRAV29/DV5") == "TRAV29/DV5"


def test_all_kinds_of_bad_row_are_told_at_once(tmp_path):
    lines = TENX.splitlines()
    bad = [
        ",true,x1,true,TRB,TRBV9,true,CAS,TGT,1,1",
        "DDD-1,true,x2,true,TRB,TRBV9,true,,,1,1",
        "DDD-1,true,x3,true,TRB,TRBV9,true,CAS,TGT,1,many",
        lines[1],
    ]
    path = write(tmp_path, "contigs.csv", "\n".join([*lines, *bad]))
    with pytest.raises(CombinedInputError) as caught:
        read_receptors(path)
    told = str(caught.value)
    for what in ("1 row with no cell", "1 row with a productive chain without CDR3", "no number"):
        assert what in told
    assert "2 rows with a chain that stands twice" in told
    assert "rows 2, 10" in told


def test_missing_columns_are_all_named(tmp_path):
    table = pd.read_csv(write(tmp_path, "a.csv", TENX)).drop(columns=["v_gene", "productive"])
    table.to_csv(tmp_path / "b.csv", index=False)
    with pytest.raises(InputError, match="lacks the columns v_gene, productive"):
        read_receptors(tmp_path / "b.csv")
    with pytest.raises(InputError, match="does not exist"):
        read_receptors(tmp_path / "none.csv")
    with pytest.raises(InputError, match="no rows"):
        read_receptors(write(tmp_path, "empty.tsv", AIRR.splitlines()[0]))


def test_a_table_of_clones(tmp_path):
    path = write(tmp_path, "clones.tsv", "barcode\tclone\nAAA\tc1\nAAA\tc1\nBBB\t\nCCC\tNone\n")
    assert read_receptors(path, "clone").clones.to_dict() == {"AAA": "c1"}
    torn = write(tmp_path, "torn.tsv", "barcode\tclone\nAAA\tc1\nAAA\tc2\nBBB\tc1\nBBB\tc3\n")
    with pytest.raises(CombinedInputError) as caught:
        read_receptors(torn, "clone")
    assert "the cell AAA has the clones c1, c2" in str(caught.value)
    assert "the cell BBB has the clones c1, c3" in str(caught.value)
    with pytest.raises(InputError, match="lacks the columns my_clone"):
        read_receptors(path, "my_clone")


def test_names_that_count_within_one_sample_are_refused():
    require_names_of_patients(pd.Series(["p1_c1", "clonotype3"]), "here")
    with pytest.raises(InputError, match="numbered within their sample, such as clonotype1"):
        require_names_of_patients(pd.Series(["clonotype1", "clonotype22"]), "here")


@pytest.mark.parametrize("new_names", [False, True])
def test_columns_of_scirpy_old_and_new(new_names):
    obs = pd.DataFrame(
        {
            "IR_VJ_1_locus": ["TRA", None], "IR_VJ_1_v_gene": ["TRAV1-2", None],
            "IR_VJ_1_cdr3_nt": ["TGT", "None"], "IR_VJ_1_cdr3": ["C", "None"], "IR_VJ_1_expr": [3.0, None],
            "IR_VDJ_1_locus": ["TRB", "TRB"], "IR_VDJ_1_v_gene": ["TRBV9", "TRBV9"],
            "IR_VDJ_1_cdr3_nt": ["TGC", "TGC"], "IR_VDJ_1_cdr3": ["C", "C"], "IR_VDJ_1_expr": [4.0, 2.0],
            "multi_chain": ["False", "True"],
        },
        index=["a", "b"],
    )  # fmt: skip
    if new_names:
        old = {"_v_gene": "_v_call", "_cdr3_nt": "_junction", "_cdr3": "_junction_aa", "_expr": "_umi_count"}
        renamed = {}
        for column in obs.columns:
            ending = next((e for e in old if column.endswith(e)), "")
            renamed[column] = column.removeprefix("IR_").removesuffix(ending) + old.get(ending, "")
        obs = obs.rename(columns=renamed)
    found, multiplets = chains_of_cells(obs, "here")
    assert list(multiplets) == ["b"]
    chains = found.chains.set_index(["barcode", "locus"])
    assert set(chains.index) == {("a", "TRA"), ("a", "TRB"), ("b", "TRB")}
    assert chains.loc[("a", "TRA"), ["v_gene", "cdr3_nt", "n_molecules"]].tolist() == ["TRAV1-2", "TGT", 3.0]
    with pytest.raises(InputError, match="VJ_1_locus"):
        chains_of_cells(obs[["multi_chain"]], "here")


def test_a_clone_column_of_the_cells():
    obs = pd.DataFrame({"clone": ["x", "None", None]}, index=list("abc"))
    assert clones_of_cells(obs, "clone", "here").clones.to_dict() == {"a": "x"}
    with pytest.raises(InputError, match="lack the column other"):
        clones_of_cells(obs, "other", "here")
