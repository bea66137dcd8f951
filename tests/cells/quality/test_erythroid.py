import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from stietime.cells.gene_families import in_family
from stietime.cells.quality.erythroid import (
    AMBIENT,
    DIVIDING_GENES,
    KINDS,
    NUCLEATED,
    NUCLEATED_GENES,
    RED_CELL,
    RESIDUAL_GENES,
    RETICULOCYTE,
    erythroid_kinds,
)
from stietime.cells.quality.measures import measure
from stietime.cells.quality.provisional_lineage import provisional_lineages
from stietime.names import PROVISIONAL_LINEAGE
from stietime.resources import read_gene_aliases, read_markers
from stietime.simulate.cohort import Artefacts, Sample, simulate_sample

MARKERS = read_markers("human")
MARROW = "openproblems_bmmc_citeseq_multiome"
GENES = ["HBB", "HBA2", "TFRC", "RHAG", "CA2", "UROD", "ALAS2", "BNIP3L", "MKRN1", "CD3E", "PTPRC", "ACTB"]


def kinds_of(rows, lineages, genes=GENES, **more):
    counts = sparse.csr_matrix(np.array(rows))
    metrics = measure(counts, genes).assign(**{PROVISIONAL_LINEAGE: lineages})
    return erythroid_kinds(counts, genes, metrics, **more).tolist()


#             HBB  HBA2 TFRC RHAG CA2 UROD ALAS2 BNIP3L MKRN1 CD3E PTPRC ACTB
NUCLEATED_ROW = [400, 300, 8, 4, 6, 3, 10, 1, 0, 0, 0, 900]
RETICULOCYTE_ROW = [3000, 3000, 1, 0, 1, 0, 9, 6, 9, 0, 0, 60]
RED_CELL_ROW = [700, 500, 0, 0, 0, 0, 2, 1, 0, 0, 0, 9]
T_CELL_ROW = [3, 4, 1, 0, 0, 0, 0, 0, 0, 9, 6, 2000]


def test_kinds_of_cells_of_known_counts():
    rows = [NUCLEATED_ROW, RETICULOCYTE_ROW, RED_CELL_ROW, T_CELL_ROW]
    lineages = ["erythroid", "erythroid", "unclear", "t_cell"]
    expected = [NUCLEATED, RETICULOCYTE, RED_CELL, AMBIENT]
    assert kinds_of(rows, lineages) == expected
    assert set(expected) == set(KINDS) - {""}
    mouse = ["Hbb-bs", "Hba-a1", *(gene.capitalize() for gene in GENES[2:])]
    assert kinds_of(rows, lineages, mouse) == expected


def test_a_leukocyte_beside_it_takes_the_name_of_a_nucleated_erythroid_cell():
    row = NUCLEATED_ROW.copy()
    row[GENES.index("PTPRC")] = 12
    assert kinds_of([row], ["erythroid"]) != [NUCLEATED]


def test_haemoglobin_that_ambient_rna_does_not_explain_is_not_called_ambient():
    much = [200, 200, 1, 0, 0, 0, 0, 0, 0, 9, 6, 2000]  # 17 % haemoglobin in a T cell
    assert kinds_of([T_CELL_ROW, much], ["t_cell", "t_cell"], ambient_hb_share=0.01) == [AMBIENT, ""]
    assert kinds_of([much], ["t_cell"], ambient_hb_share=0.05) == [AMBIENT]
    assert kinds_of([much], ["t_cell"]) == [""]
    none = [0, 0, 1, 0, 0, 0, 0, 0, 0, 9, 6, 2000]
    assert kinds_of([none], ["t_cell"], ambient_hb_share=0.05) == [""]


def test_in_a_haemolysed_sample_a_droplet_of_ambient_haemoglobin_is_no_red_cell():
    droplet = [150, 150, 1, 0, 0, 0, 1, 0, 0, 0, 0, 700]  # 30 % haemoglobin, nothing of an erythroblast
    assert kinds_of([droplet], ["erythroid"], ambient_hb_share=0.2) == [AMBIENT]
    assert kinds_of([droplet], ["erythroid"], ambient_hb_share=0.01) == [RED_CELL]
    assert kinds_of([NUCLEATED_ROW], ["erythroid"], ambient_hb_share=0.2) == [NUCLEATED]


def test_without_the_genes_of_nucleated_stages_nothing_is_said_of_an_erythroid_cell():
    few = [0, 1, 2, 3, 7, 9, 10, 11]  # two of the nucleated genes
    genes = [GENES[place] for place in few]
    rows = np.array([NUCLEATED_ROW, RED_CELL_ROW, T_CELL_ROW])[:, few]
    assert kinds_of(rows, ["erythroid", "erythroid", "t_cell"], genes) == ["", "", AMBIENT]
    assert kinds_of(np.full((3, 1), 50), ["unclear"] * 3, ["ACTB"]) == ["", "", ""]
    assert kinds_of(np.zeros((2, 1), dtype=int), ["unclear"] * 2, ["HBB"]) == ["", ""]
    assert kinds_of(np.zeros((0, 1), dtype=int), [], ["HBB"]) == []


@pytest.mark.parametrize(("environment", "ambient"), [("STIE", 75), ("STIE", 850), ("TIME", 1300)])
def test_planted_ter_cells_and_red_cells_are_told_under_ambient_rna(environment, ambient):
    artefacts = Artefacts(0.04, 0.05, ambient, 0.6)
    cells = simulate_sample(Sample("p1", environment, "before"), 2000, 7, artefacts)
    genes = list(cells.var_names)
    metrics = measure(cells.X, genes)
    metrics[PROVISIONAL_LINEAGE] = provisional_lineages(cells.X, genes, MARKERS)
    contamination = cells.obs["true_ambient_umi"].sum() / cells.X.sum()
    share = contamination * cells.var["ambient_share"].to_numpy()[in_family(genes, "hb")].sum()
    kinds = erythroid_kinds(cells.X, genes, metrics, ambient_hb_share=share)
    alive = (cells.obs["true_kind"] == "cell").to_numpy()
    ter = alive & (cells.obs["true_state"] == "ter_cell").to_numpy()
    red = alive & (cells.obs["true_cell_type"] == "red_cell").to_numpy()
    assert min(ter.sum(), red.sum()) >= 20
    assert (kinds[ter] == NUCLEATED).mean() >= 0.95
    assert np.isin(kinds[red], [RED_CELL, RETICULOCYTE]).mean() >= 0.95
    assert np.isin(kinds[alive & ~ter & ~red], ["", AMBIENT]).mean() >= 0.995


def with_current_symbols(path):
    cells = ad.read_h5ad(path)
    aliases = read_gene_aliases("human")
    return sparse.csr_matrix(cells.X), [aliases.get(gene, gene) for gene in cells.var_names], cells.obs


@pytest.mark.data
def test_stages_of_the_authors_in_marrow(data_dir):
    counts, genes, obs = with_current_symbols(data_dir / MARROW / "cite_merged_2v.h5ad")
    metrics = measure(counts, genes).assign(
        **{PROVISIONAL_LINEAGE: provisional_lineages(counts, genes, MARKERS)}
    )
    table = pd.crosstab(obs["cell_type"].astype(str).to_numpy(), erythroid_kinds(counts, genes, metrics))
    early = table.loc[["Proerythroblast", "Erythroblast"]]
    assert early[NUCLEATED].sum() == early.to_numpy().sum() == 15
    assert table.loc["Normoblast", NUCLEATED] >= 0.6 * table.loc["Normoblast"].sum()
    assert table.loc["Reticulocyte", NUCLEATED] == 0
    assert table.loc["Reticulocyte", RETICULOCYTE] >= 0.75 * table.loc["Reticulocyte"].sum()
    staged = ["Proerythroblast", "Erythroblast", "Normoblast", "Reticulocyte"]
    assert not table.drop(index=staged)[[NUCLEATED, RED_CELL, RETICULOCYTE]].to_numpy().any()


@pytest.mark.data
def test_a_panel_without_nucleated_genes_names_no_red_cells(data_dir):
    counts, genes, obs = with_current_symbols(data_dir / MARROW / "multiome_merged.h5ad")
    assert np.isin(genes, NUCLEATED_GENES.split()).sum() < 3
    metrics = measure(counts, genes).assign(
        **{PROVISIONAL_LINEAGE: provisional_lineages(counts, genes, MARKERS)}
    )
    kinds = erythroid_kinds(counts, genes, metrics)
    assert set(kinds) == {"", AMBIENT, NUCLEATED}
    named = obs["cell_type"].astype(str)[kinds == NUCLEATED]
    assert len(named) >= 25
    assert named.isin(["Proerythroblast", "Erythroblast", "Normoblast", "MK/E prog"]).all()


@pytest.mark.data
def test_the_lists_are_what_the_sorted_stages_show(data_dir):
    folder = data_dir / "ludwig2019_erythroid_stages_bulk_rnaseq"
    table = pd.read_csv(folder / "rnaseq_raw_gene_counts.csv.gz")
    aliases = read_gene_aliases("human")
    reads = (
        table.drop(columns="genes").groupby(table["genes"].map(lambda g: aliases.get(g, g)).to_numpy()).sum()
    )
    stages = [name.split("_")[2] for name in reads.columns]
    level = np.log2((reads / reads.sum() * 1e6).T.groupby(stages).mean().T + 1)
    falls = level[["P5", "P6"]].max(axis=1) - level["P8"]
    for genes, least, most in (
        (NUCLEATED_GENES, 3.0, np.inf),
        (DIVIDING_GENES, np.log2(13), np.inf),
        (RESIDUAL_GENES, -np.inf, 1.05),
    ):
        found = falls.reindex(genes.split()).dropna()
        assert len(found) >= 0.9 * len(genes.split())
        assert found.between(least, most).all(), found[~found.between(least, most)]
    assert (falls[["KLF1", "GATA1", "HMBS", "ALAS2"]] < np.log2(3)).all()
