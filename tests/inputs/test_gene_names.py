"""Gene names: old symbols, ids, genomes, species and doubles."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from stietime.errors import InputError
from stietime.inputs.gene_names import current_symbols, merge_genes
from stietime.resources import read_gene_aliases, read_markers

ALIASES = {"IL8": "CXCL8", "MB21D1": "CGAS", "C6orf150": "CGAS"}


def symbols(names, aliases=ALIASES, **options):
    columns = options.pop("columns", {})
    var = pd.DataFrame(columns, index=list(names))
    return current_symbols(var, aliases, "a.h5ad", **options)


def test_old_names_are_replaced_only_when_the_new_one_is_absent():
    found = symbols(["IL8", "CD4", "MB21D1"])
    assert list(found.symbols) == ["CXCL8", "CD4", "CGAS"]
    assert found.n_renamed == 2
    found = symbols(["IL8", "CXCL8"])
    assert list(found.symbols) == ["IL8", "CXCL8"]
    assert found.n_renamed == 0


def test_two_old_names_of_one_gene_are_summed():
    found = symbols(["MB21D1", "CD4", "C6orf150"])
    counts = sparse.csr_matrix(np.array([[1, 2, 4], [0, 8, 16]], dtype=np.int32))
    merged, unique = merge_genes(counts, found.symbols)
    assert list(unique) == ["CGAS", "CD4"]
    np.testing.assert_array_equal(merged.toarray(), [[5, 2], [16, 8]])
    assert merged.dtype == np.int32


def test_merging_equals_a_plain_group_sum():
    rng = np.random.default_rng(3)
    names = rng.choice([f"G{i}" for i in range(40)], 90).astype(object)
    dense = rng.poisson(0.7, (50, 90)).astype(np.int32)
    merged, unique = merge_genes(sparse.csr_matrix(dense), names)
    expected = pd.DataFrame(dense.T).groupby(names).sum().T
    np.testing.assert_array_equal(merged.toarray(), expected[list(unique)].to_numpy())


@pytest.mark.parametrize("column", ["feature_name", "gene_symbols", "Gene_Name", "symbol"])
def test_ids_take_the_symbol_of_a_column(column):
    ids = ["ENSG00000169429.12", "ENSG00000010610", "ENSG00000999999.1"]
    found = symbols(ids, columns={column: ["IL8", "CD4", np.nan]})
    assert list(found.symbols) == ["CXCL8", "CD4", "ENSG00000999999"]
    assert found.n_without_symbol == 1


def test_symbols_are_not_replaced_by_a_column():
    found = symbols(["CD4", "CD8A"], columns={"name": ["T-cell surface glycoprotein", "other"]})
    assert list(found.symbols) == ["CD4", "CD8A"]


@pytest.mark.parametrize(
    "names", [["ENSG00000010610", "ENSG00000010611.2"], ["0", "1", "2"], ["ENSMUSG00000010611", ""]]
)
def test_ids_without_symbols_are_refused_unless_allowed(names):
    with pytest.raises(
        InputError, match=f"{len(names)} of {len(names)} genes have an id but no symbol"
    ) as caught:
        symbols(names, columns={"chromosome": ["1"] * len(names)})
    assert "columns of the genes: chromosome" in caught.value.what
    assert "max_genes_missing_symbol_fraction" in caught.value.fix
    assert symbols(names, max_missing_fraction=1.0).n_without_symbol == len(names)


def test_clone_names_and_dots_are_left_alone():
    names = ["RP11-34P13.7", "AC016831.7", "HLA-DRA", "NKX2-1", "MT-CO1"]
    assert list(symbols(names).symbols) == names


def test_numbers_that_other_tools_add_to_doubles_are_removed():
    names = ["MATR3", "MATR3-1", "TBCE", "TBCE.1", "TBCE.2", "KCNQ1OT1", "KCNQ1OT1-3", "NKX2-1"]
    segments = ["IGHV1-69", "IGHV1-69-2", "TRAV1", "TRAV1-1", "Mir218", "Mir218-1"]
    found = symbols(names + segments)
    expected = ["MATR3", "MATR3", "TBCE", "TBCE", "TBCE", "KCNQ1OT1", "KCNQ1OT1-3", "NKX2-1", *segments]
    assert list(found.symbols) == expected
    assert found.n_renamed == 0


def test_the_genome_before_symbols_is_removed_when_it_is_everywhere():
    assert list(symbols(["GRCh38_CD4", "GRCh38_IL8"]).symbols) == ["CD4", "CXCL8"]
    assert list(symbols(["GRCh38___CD4"]).symbols) == ["CD4"]
    mixed = ["GRCh38_CD4", "mm10_Cd4"]
    assert list(symbols(mixed).symbols) == mixed


def test_the_other_species_is_told():
    human = list(read_markers("human")["gene"].unique())[:40]
    mouse = list(read_markers("mouse")["gene"].unique())[:40]
    symbols(human, species="human")
    symbols(mouse, species="mouse")
    with pytest.raises(InputError, match="look like mouse") as caught:
        symbols(mouse, species="human")
    assert "write mouse in the column `species`" in caught.value.fix
    with pytest.raises(InputError, match="look like human"):
        symbols(human, species="mouse")
    symbols(mouse[:10], species="human")  # too few to tell


@pytest.mark.parametrize("species", ["human", "mouse"])
def test_aliases_never_name_a_gene_of_the_markers_and_are_no_chains(species):
    aliases = read_gene_aliases(species)
    genes = set(read_markers(species)["gene"])
    assert len(aliases) > 1000
    assert not set(aliases) & genes
    assert not set(aliases) & set(aliases.values())
    assert all(old and new and old != new for old, new in aliases.items())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("MB21D1", "CGAS"),
        ("TMEM173", "STING1"),
        ("AMICA1", "JAML"),
        ("IGJ", "JCHAIN"),
        ("SEPP1", "SELENOP"),
        ("C10orf54", "VSIR"),
        ("IL8", "CXCL8"),
        ("MRC1L1", "MRC1"),
        ("PVRL2", "NECTIN2"),
        ("EMR1", "ADGRE1"),
    ],
)
def test_old_names_that_older_references_use_are_known(old, new):
    assert read_gene_aliases("human")[old] == new


def test_symbols_of_other_genes_are_no_aliases():
    # each is also a synonym of a marker gene, and a gene of its own
    assert not set(read_gene_aliases("human")) & {"SELP", "TCF4", "NMB", "MIF", "NAPA", "MBP", "TTF1", "RAF1"}
