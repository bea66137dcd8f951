import numpy as np
import pytest

from stietime import resources
from stietime.simulate.reference import (
    MITO_WEIGHTS,
    claimed_genes,
    named_rng,
    read_composition,
    read_populations,
    read_programs,
    reference,
)


def test_every_gene_of_the_markers_and_claims_is_simulated():
    genes = set(reference().genes)
    assert set(resources.read_markers()["gene"]) <= genes
    assert {"CXCL13", "GFRA3", "PTPRO", "METTL3"} <= claimed_genes() <= genes
    assert not [gene for gene in claimed_genes() if gene.startswith("MIR")]
    assert 2000 <= len(genes) <= 3000
    assert reference().genes.is_unique


def test_gene_symbols_are_current():
    aliases = resources.read_gene_aliases()
    assert [gene for gene in reference().genes if gene in aliases] == []


@pytest.mark.data
def test_background_genes_are_real(data_dir):
    import anndata as ad

    real = set(ad.read_h5ad(data_dir / "hao2021_pbmc_1000_raw" / "hao_pbmc_1000.h5ad", backed="r").var_names)
    aliases = resources.read_gene_aliases()
    real |= {aliases.get(name, name) for name in real}
    known = [gene in real for gene in reference().genes]
    # symbols that changed after that annotation are the rest
    assert np.mean(known) > 0.98


def test_profiles_are_shares_that_hold_what_is_written():
    source = reference()
    assert np.allclose(source.profiles.sum(axis=1), 1)
    assert (source.profiles >= 0).all()
    row = source.populations.index.get_loc("cd8_memory")
    pct_mito = source.profiles[row, source.mito].sum() * 100
    assert pct_mito == pytest.approx(source.populations["pct_mito"].iloc[row])
    level = source.profiles[row, source.positions(["CD3E"])[0]] * 1e4
    assert level == pytest.approx(read_programs()["t_cell"]["CD3E"])
    assert set(source.genes[source.mito]) == set(MITO_WEIGHTS)


def test_a_gene_that_is_not_simulated_is_an_error():
    with pytest.raises(ValueError, match="NOGENE"):
        reference().positions(["CD3E", "NOGENE"])


def test_shares_of_each_parent_sum_to_one():
    table = read_composition()
    sums = table.drop(columns="entity").groupby("parent").sum()
    places = sums.columns.str.partition("_").get_level_values(0)
    assert np.allclose(sums.loc["all"], 1, atol=1e-9)
    inside = sums.drop("all")
    present = (
        table[table["parent"] == "all"].set_index("entity").drop(columns="parent").reindex(inside.index) > 0
    )
    assert np.allclose(inside.where(present, 1), 1)
    assert set(places) == {"blood", "tumour"}


def test_every_population_belongs_to_a_marker_set_and_a_share():
    populations, table = read_populations(), read_composition()
    sets = set(resources.read_markers()["set_id"])
    assert set(populations["lineage"]) <= sets
    assert set(populations["cell_type"]) - {"red_cell"} <= sets
    assert set(populations.index) == set(table.loc[table["parent"] != "all", "entity"])
    parents = table[table["parent"] != "all"].set_index("entity")["parent"]
    own = populations.loc[parents.index]
    assert ((parents == own["cell_type"]) | (parents == own["lineage"])).all()


def test_named_generators_depend_on_seed_and_names_only():
    one, same = named_rng(1, "cells", "p1").random(3), named_rng(1, "cells", "p1").random(3)
    assert (one == same).all()
    assert not np.allclose(one, named_rng(1, "cells", "p2").random(3))
    assert not np.allclose(one, named_rng(2, "cells", "p1").random(3))
