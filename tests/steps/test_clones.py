"""The steps read-receptors and compare-clones, as typed on the command line."""

from __future__ import annotations

import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from stietime import cli, names, storage
from stietime.cells.receptors import ONLY_ALPHA, ONLY_BETA, PAIR, name_clones, pair_chains
from stietime.inputs.receptor_columns import chains_of_cells
from stietime.settings import Clones

HEADER = "barcode,is_cell,contig_id,chain,v_gene,productive,cdr3,cdr3_nt,umis"
SHEET = {"patient": "p1", "environment": "TIME", "modality": "cells", "format": "h5ad", "path": "x.h5ad"}


def write_counts(folder, name, barcodes, **columns):
    """Write a sample's counts; further columns are those of the file itself."""
    cells = ad.AnnData(
        sparse.csr_matrix(np.ones((len(barcodes), 2), dtype=np.int32)),
        obs=pd.DataFrame(columns, index=[f"{name}:{b}" for b in barcodes]),
        var=pd.DataFrame(index=["CD3D", "CD3E"]),
    )
    path = folder / f"{name}.h5ad"
    storage.write_cells(cells, path)
    return path


def write_contigs(folder, name, clones):
    """Write Cell Ranger's table: barcode to the letter of its clone; each clone has its own two chains."""
    lines = [HEADER]
    for barcode, clone in clones.items():
        lines.append(f"{barcode},true,{barcode}_1,TRA,TRAV1,true,CA{clone}F,TGT{clone},3")
        lines.append(f"{barcode},true,{barcode}_2,TRB,TRBV1,true,CS{clone}F,TGC{clone},4")
    path = folder / f"{name}.csv"
    path.write_text("\n".join(lines))
    return path


def read(folder, name, counts, receptors="", **settings):
    row = json.dumps({"sample": name, **SHEET, "receptors": str(receptors)})
    output = folder / f"{name}_receptors.parquet"
    words = ["step", "read-receptors", "--sample", row, "--counts", str(counts)]
    words += ["--settings", Clones(**settings).as_json(), "--output", str(output)]
    return cli.main(words), output


def test_from_contig_files_to_tables(tmp_path):
    """Three patients; half of the tumour's clones are also in the blood."""
    tables, paths = [], []
    for patient in ("p1", "p2", "p3"):
        for environment in ("STIE", "TIME"):
            name = f"{patient}_{environment}"
            letters = [f"{patient}S{i % 6}" for i in range(12)]  # shared
            letters += [f"{patient}{environment}{i % 6}" for i in range(12)]
            barcodes = [f"{environment}{i}-1" for i in range(26)]
            counts = write_counts(tmp_path, name, barcodes)
            contigs = write_contigs(tmp_path, name, dict(zip(barcodes, letters, strict=False)))
            code, path = read(tmp_path, name, counts, contigs)
            assert code == 0
            paths.append(path)
            table = pd.DataFrame(
                {"cell": [f"{name}:{b}" for b in barcodes], "sample": name, "patient": patient}
            )
            table = table.assign(environment=environment, timepoint="", lineage="t_cell", cell_type="cd8_t")
            tables.append(table.assign(is_texp=np.arange(26) % 2 == 0))
    storage.write_table(pd.concat(tables, ignore_index=True), tmp_path / "cells.parquet")
    outputs = [tmp_path / n for n in ("clonotypes.tsv", "tests.tsv", "clones.parquet", "counts.tsv")]
    words = ["step", "compare-clones", "--cells", str(tmp_path / "cells.parquet"), "--receptors"]
    assert cli.main([*words, *map(str, paths), "--output", *map(str, outputs)]) == 0
    table = storage.read_table(outputs[0], ["patient", "entity", "index", "value", "n"])
    sharing = table.query("entity == 'all'").set_index(["patient", "index"])
    assert sharing.loc[("p1", "sharing"), "value"] == pytest.approx(0.5)
    assert sharing.loc[("p1", "shared_clones"), "value"] == 6
    assert set(table["entity"]) == {"all", "texp", "cd8_t"}
    clones = storage.read_table(outputs[2])
    assert clones["n"].sum() == 3 * 2 * 24
    assert clones.query("patient == 'p1'")["clone"].nunique() == 18
    counts = storage.read_table(outputs[3]).set_index("sample")
    assert counts.loc["p1_STIE", ["n_cells", "n_receptors", "n_followed"]].tolist() == [26, 24, 24]
    assert storage.read_table(outputs[1])["n_patients"].max() == 3


def test_a_file_of_another_sample_is_refused_and_some_unknown_cells_are_counted(tmp_path):
    counts = write_counts(tmp_path, "s", ["A-1", "B-1", "C-1"])
    some = write_contigs(tmp_path, "some", {"A-1": "x", "B-1": "y", "Z-1": "z"})
    code, path = read(tmp_path, "s", counts, some)
    assert code == 0
    assert storage.read_table(path)["n_unknown_barcodes"].tolist() == [1, 1, 1]
    other = write_contigs(tmp_path, "other", {"X-1": "x", "Y-1": "y"})
    path.unlink()
    code, path = read(tmp_path, "s", counts, other)
    assert code == 2
    assert not path.exists()


def test_the_message_of_a_wrong_file_names_cells_of_both(tmp_path, capsys):
    counts = write_counts(tmp_path, "s", ["A-1", "B-1", "C-1"])
    read(tmp_path, "s", counts, write_contigs(tmp_path, "other", {"X-1": "x", "Y-1": "y"}))
    told = capsys.readouterr().err
    assert "2 of the 2 cells with a receptor are not cells of the sample, such as X-1, Y-1" in told
    assert "A-1, B-1" in told


def test_barcodes_that_lost_their_ending_are_matched(tmp_path):
    counts = write_counts(tmp_path, "s", ["A", "B", "C"])
    code, path = read(tmp_path, "s", counts, write_contigs(tmp_path, "r", {"A-1": "x", "C-1": "x"}))
    assert code == 0
    assert storage.read_table(path)["status"].tolist() == ["pair", "no receptor", "pair"]


def test_clones_named_per_sample_and_missing_sequences_are_refused(tmp_path):
    counts = write_counts(tmp_path, "s", ["A", "B"], source_clone=["clonotype1", "clonotype2"])
    assert read(tmp_path, "s", counts, clone_column="clone")[0] == 2
    counts = write_counts(tmp_path, "t", ["A", "B"], source_clone=["p1_1", ""])
    code, path = read(tmp_path, "t", counts, clone_column="clone")
    assert code == 0
    assert storage.read_table(path)["clone"].fillna("").tolist() == ["p1_1", ""]
    contigs = write_contigs(tmp_path, "u", {"A": "x"})
    contigs.write_text(contigs.read_text().replace("TGTx", "").replace("TGCx", ""))
    assert read(tmp_path, "t", counts, contigs)[0] == 2
    assert read(tmp_path, "t", counts, contigs, match="amino_acid")[0] == 0


def test_a_sample_without_receptors_has_rows_and_no_clone(tmp_path):
    code, path = read(tmp_path, "s", write_counts(tmp_path, "s", ["A", "B"]))
    assert code == 0
    assert storage.read_table(path)["status"].tolist() == ["no receptor"] * 2


@pytest.mark.data
def test_wu_cells_that_are_joined_are_one_clone_of_the_authors(data_dir):
    """Receptors out of scirpy's columns: 108 of 200 cells have both chains, 4 clones have two cells."""
    obs = ad.read_h5ad(data_dir / "wu2020_blood_nat_tumor_tcells_200" / "wu2020_200_v0_6.h5ad").obs
    found, multiplets = chains_of_cells(obs, "wu2020")
    pairs = pair_chains(found.chains, obs.index, multiplets=multiplets)
    seen = obs[["IR_VJ_1_cdr3_nt", "IR_VDJ_1_cdr3_nt"]].astype(str).isin(["None", "nan"])
    expected = {PAIR: (False, False), ONLY_BETA: (True, False), ONLY_ALPHA: (False, True)}
    for status, lacks in expected.items():
        assert (pairs["status"] == status).sum() == (seen.to_numpy() == lacks).all(axis=1).sum()
    named = name_clones(
        pairs.assign(clone="", patient=obs["patient"].astype(str)).rename_axis("cell").reset_index()
    )
    named["theirs"] = obs["clonotype_orig"].astype(str).to_numpy()
    clones = named[named["clone"] != ""].groupby(["patient", "clone"])["theirs"].agg(["size", "nunique"])
    several = clones[clones["size"] > 1]
    assert len(several) == 4
    # of the fourth one cell shows a second chain, which the authors' exact sets of chains tell apart
    assert (several["nunique"] == 1).sum() == 3


def test_the_plan_holds_clones_only_where_there_are_receptors(tmp_path):
    from stietime.plan import Plan

    (tmp_path / "x.h5ad").touch()
    sheet = tmp_path / "samples.tsv"
    header = "sample\tpatient\tenvironment\tmodality\tformat\tpath\treceptors\n"
    config = {"samples": str(sheet), "results_dir": "results"}
    for receptors, clones, expected in (
        ("", {}, False),
        ("x.h5ad", {}, True),
        ("", {"chains_in_cells": True}, True),
    ):
        path = tmp_path / "x.h5ad"
        file = str(path) if receptors else ""
        sheet.write_text(f"{header}s\tp\tTIME\tcells\th5ad\t{path}\t{file}\n")
        plan = Plan.from_config({**config, "clones": clones})
        assert (f"results/{names.OUTPUT_PATHS['clonotypes']}" in plan.tables) == expected
        assert (file in plan.sources) == bool(file)
