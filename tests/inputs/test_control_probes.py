"""Control probes of panels are no genes, and areas of cells are square micrometres."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from stietime.errors import InputError
from stietime.inputs.areas import find_areas
from stietime.inputs.gene_names import current_symbols, is_control_probe
from stietime.inputs.read import ReadingOptions, open_input, prepare, read_prepared
from stietime.resources import read_markers

CONTROLS = (
    *("NegControlProbe_00042", "NegControlCodeword_0500", "UnassignedCodeword_0001", "antisense_PROKR2"),
    *("BLANK_0006", "DeprecatedCodeword_0321", "Intergenic_Region_1234", "NegControlProbe-00042"),
    *("Negative1", "Negative01", "NegPrb10", "SystemControl3", "FalseCode22", "Blank-1", "Blank_12"),
)
GENES = ("CD3E", "CD8A", "EPCAM", "NEGR1", "IL8", "FOXP3-AS1", "KRT7-AS", "BLNK", "SYK", "FALEC")


def test_every_maker_s_controls_are_told_from_genes():
    assert is_control_probe(pd.DataFrame(index=[*CONTROLS])).all()
    assert not is_control_probe(pd.DataFrame(index=[*GENES, *read_markers()["gene"].unique()])).any()


def test_the_type_of_a_feature_tells_too():
    types = ["Gene Expression", "Negative Control Probe", "Blank Codeword", "Genomic Control"]
    var = pd.DataFrame({"feature_types": pd.Categorical(types)}, index=["CD4", "a", "b", "c"])
    assert is_control_probe(var).tolist() == [False, True, True, True]


def test_controls_are_not_missing_symbols_nor_of_another_species():
    ids = [f"ENSG{i:011d}" for i in range(3)]
    var = pd.DataFrame(index=[*GENES, *ids, *CONTROLS, *(f"Negative{i}" for i in range(2, 40))])
    found = current_symbols(var, {"IL8": "CXCL8"}, "a", max_missing_fraction=3 / 13)
    assert (found.n_without_symbol, found.n_renamed) == (3, 1)
    assert list(found.symbols[:5]) == ["CD3E", "CD8A", "EPCAM", "NEGR1", "CXCL8"]
    assert found.is_control.sum() == len(CONTROLS) + 38
    with pytest.raises(InputError, match="3 of 13 genes"):
        current_symbols(var, {}, "a", max_missing_fraction=0.2)
    with pytest.raises(InputError, match="control probes only"):
        current_symbols(pd.DataFrame(index=[*CONTROLS]), {}, "a")


@pytest.fixture
def panel(tmp_path):
    rng = np.random.default_rng(0)
    features = [*GENES[:5], *CONTROLS[:3], *GENES[5:], *CONTROLS[3:]]
    counts = rng.poisson(1, (20, len(features)))
    obs = pd.DataFrame({"x": np.arange(20.0), "y": 0.0, "kind": ["a", "b"] * 10, "Area": np.arange(20.0)})
    obs.index = [f"c{i}" for i in range(20)]
    cells = ad.AnnData(sparse.csr_matrix(counts), obs=obs, var=pd.DataFrame(index=features))
    cells.write_h5ad(tmp_path / "p.h5ad")
    return tmp_path / "p.h5ad", pd.DataFrame(counts, columns=features, index=obs.index)


@pytest.mark.parametrize("with_positions", [True, False])
def test_controls_leave_the_matrix_and_are_counted(panel, with_positions):
    path, counts = panel
    options = ReadingOptions(subset="kind=b", with_positions=with_positions, um_per_unit=0.5)
    prepared = prepare(open_input(path, "h5ad"), options)
    assert prepared.n_genes == len(GENES)
    cells = read_prepared(prepared)
    mine = counts.iloc[1::2]
    assert list(cells.var_names) == list(GENES)
    np.testing.assert_array_equal(cells.X.toarray(), mine[list(GENES)])
    assert list(cells.obs["n_negative_probe_counts"]) == list(mine[list(CONTROLS)].sum(axis=1))
    facts = cells.uns["ingest"]
    assert facts["n_genes_in_file"] == len(GENES) + len(CONTROLS)
    assert (facts["n_genes"], facts["n_negative_probes"], facts["n_genes_merged"]) == (
        len(GENES),
        len(CONTROLS),
        0,
    )
    assert ("area_um2" in cells.obs) == with_positions
    if with_positions:
        np.testing.assert_allclose(cells.obs["area_um2"], np.arange(1, 20, 2) / 4)
        assert facts["area_um2_from"] == "Area (square units of the positions)"


def test_a_panel_without_controls_has_no_such_column(panel):
    path, _ = panel
    cells = ad.read_h5ad(path)[:, list(GENES)].copy()
    cells.write_h5ad(path)
    read = read_prepared(prepare(open_input(path, "h5ad"), ReadingOptions()))
    assert "n_negative_probe_counts" not in read.obs
    assert read.uns["ingest"]["n_negative_probes"] == 0


def test_a_column_in_micrometres_is_taken_as_it_is():
    obs = pd.DataFrame({"Area": [400.0, 800.0], "Area.um2": [6.0, 12.0], "nucleus_area": ["3", "none"]})
    found = find_areas(obs, um_per_unit=0.12)
    assert found["area_um2"].um2.tolist() == [6, 12]
    assert found["area_um2"].source == "Area.um2 (um2)"
    np.testing.assert_array_equal(found["nucleus_area_um2"].um2, [3, np.nan])
    pixels = find_areas(obs[["Area"]], um_per_unit=0.1)["area_um2"]
    np.testing.assert_allclose(pixels.um2, [4, 8])
    empty = find_areas(pd.DataFrame({"cell_area": [0.0, np.nan], "area": [2.0, -1.0]}), um_per_unit=2)
    np.testing.assert_array_equal(empty["area_um2"].um2, [8, np.nan])
    assert find_areas(pd.DataFrame({"n": [1]})) == {}
