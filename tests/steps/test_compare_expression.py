"""The step compare-expression, as typed on the command line."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from stietime import cli, names, storage
from stietime.cohort.expression.tables import GENE_COLUMNS, REGULATOR_COLUMNS, TEST_COLUMNS
from stietime.cohort.testing.contrasts import CONFOUNDED, TESTED
from stietime.settings import Comparison, Compute, Expression

GENES = ["PDCD1", "TGFB1", "IL10", *(f"G{i}" for i in range(60))]
KINDS = {"cd8_t": ("t_cell", 30), "cd4_t": ("t_cell", 20), "nk": ("nk", 25), "mast": ("mast", 2)}


@pytest.fixture
def cohort(tmp_path):
    """Five patients with blood and tumour; PD-1 six times higher in CD8 cells of the tumour."""
    rng = np.random.default_rng(4)
    paths, tables = [], []
    base = np.exp(rng.normal(0, 0.7, len(GENES)))
    for patient in ("p1", "p2", "p3", "p4", "p5"):
        own = base * np.exp(rng.normal(0, 0.2, len(GENES)))
        for environment in ("STIE", "TIME"):
            name = f"{patient}_{environment}"
            kinds = [kind for kind, (_, n) in KINDS.items() for _ in range(n)]
            means = np.tile(own, (len(kinds) + 3, 1))
            means[:30, 0] = 3.0 if environment == "TIME" else 0.5
            means[30:, 0], means[:, 2] = 0.0, 0.0
            means[-3:] = 1e4  # dropped cells would ruin every sum
            counts = sparse.csr_matrix(rng.poisson(means).astype(np.int32))
            cells = [f"{name}:{i}" for i in range(len(means))]
            row = {"sample": name, "patient": patient, "environment": environment, "timepoint": ""}
            row |= {"treatment": "", "cancer": "NSCLC", "species": "human", "tissue": "x"}
            row |= {"batch": patient, "chemistry": "v2" if environment == "STIE" else "v3"}
            obs = pd.DataFrame(row, index=cells)
            panel = ad.AnnData(counts, obs=obs, var=pd.DataFrame(index=GENES))
            path = tmp_path / "cells" / name / "counts.h5ad"
            storage.write_cells(panel[:, GENES[:-1]].copy() if name == "p1_STIE" else panel, path)
            paths.append(path)
            table = pd.DataFrame({"cell": cells[: len(kinds)], **row, "cell_type": kinds})
            tables.append(table.assign(lineage=table["cell_type"].map({k: v[0] for k, v in KINDS.items()})))
    storage.write_table(pd.concat(tables, ignore_index=True), tmp_path / "cells.parquet")
    return tmp_path, paths


def run(folder, paths, *, excluded=(), threads=1, compute=None, **settings):
    """Type the step and read its three tables."""
    samples = pd.DataFrame({"sample": [path.parent.name for path in paths]})
    samples["verdict"] = np.where(samples["sample"].isin(excluded), names.EXCLUDED, names.USABLE)
    samples["reason"] = np.where(samples["sample"].isin(excluded), "too bad", "")
    storage.write_table(samples, folder / "samples.tsv")
    outputs = [folder / "de.parquet", folder / "regulators.tsv", folder / "tests.tsv"]
    code = cli.main(
        [
            *("step", "compare-expression", "--cells", str(folder / "cells.parquet")),
            *("--counts", *map(str, paths), "--samples", str(folder / "samples.tsv")),
            *("--settings", Expression(**settings).as_json(), "--comparison", Comparison().as_json()),
            *("--compute", (compute or Compute()).as_json(), "--threads", str(threads)),
            *("--output", *map(str, outputs)),
        ]
    )
    return code, [storage.read_table(path) for path in outputs] if code == 0 else []


def test_from_files_to_tables(cohort, capfd, caplog):
    folder, paths = cohort
    code, (genes, regulators, tests) = run(folder, paths)
    assert code == 0
    assert tuple(genes.columns) == GENE_COLUMNS
    assert tuple(regulators.columns[: len(REGULATOR_COLUMNS)]) == REGULATOR_COLUMNS
    assert tuple(tests.columns[: len(TEST_COLUMNS)]) == TEST_COLUMNS
    # blood and tumour are of two chemistries: numbers, but no conclusion
    told = tests.set_index(["level", "cell_type"])
    assert told.loc[("lineage", "t_cell"), "status"] == CONFOUNDED
    assert "chemistry" in told.loc[("lineage", "t_cell"), "confounded"]
    assert told.loc[("lineage", "mast"), "note"].endswith("not measured: 0 pairs with 10 cells")
    assert (tests["n_genes_left_out"] == 1).all()
    assert not (genes["gene"] == GENES[-1]).any()
    rows = regulators.set_index(["level", "cell_type", "gene"])
    pd1 = rows.loc[("cell_type", "cd8_t", "PDCD1")]
    assert pd1["estimate"] == pytest.approx(np.log2(0.5 / 3), abs=0.3)
    assert pd1["makes_it"]
    assert pd1["q"] < 1e-4
    assert (pd1["n_pairs"], pd1["status"]) == (5, CONFOUNDED)
    assert pd1["share_of_expression"] == 1
    assert rows.loc[("cell_type", "nk", "IL10"), "note"].endswith("not testable: not one count")
    assert rows.loc[("cell_type", "nk", "RET"), "note"].endswith("not measured: the gene is in no sample")
    assert "stie_vs_time: 1 genes left out, which not all of its samples measure" in caplog.messages
    assert len(caplog.messages) < 8
    assert "Warning" not in capfd.readouterr().err


def test_blocks_threads_and_levels_change_nothing(cohort):
    folder, paths = cohort
    _, first = run(folder, paths)
    _, again = run(folder, paths, threads=2, compute=Compute(block_gib=1e-4))
    for one, other in zip(first, again, strict=True):
        pd.testing.assert_frame_equal(one, other)
    _, lineages = run(folder, paths, levels=("lineage",))
    whole = first[0][first[0]["level"] == "lineage"].reset_index(drop=True)
    pd.testing.assert_frame_equal(whole.astype(object), lineages[0].astype(object))


def test_excluded_samples_and_few_patients(cohort):
    folder, paths = cohort
    table = storage.read_table(folder / "cells.parquet")
    left = table[~table["sample"].isin(["p1_STIE", "p2_TIME"])]
    storage.write_table(left, folder / "cells.parquet")
    code, (genes, regulators, _) = run(folder, paths, excluded=["p1_STIE", "p2_TIME"])
    assert code == 0
    assert set(genes["n_pairs"]) == {3}
    assert regulators["note"].str.contains("2 samples excluded").all()
    # with p1's blood away all samples measure all genes
    assert (genes["gene"] == GENES[-1]).any()
    code, (genes, regulators, _) = run(folder, paths, excluded=["p1_STIE", "p2_TIME"], min_cells=26)
    assert set(genes["cell_type"]) == {"t_cell", "cd8_t"}
    assert TESTED not in set(regulators.loc[regulators["cell_type"] == "nk", "status"])


def test_cells_that_no_file_holds_are_an_error(cohort, capfd):
    folder, paths = cohort
    code, _ = run(folder, paths[1:])
    assert code == 2
    assert "77 of the 770 kept cells are in no counts file" in capfd.readouterr().err
