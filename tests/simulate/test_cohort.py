import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from stietime import names
from stietime.simulate.cohort import (
    Artefacts,
    Sample,
    design,
    planned_composition,
    sample_profiles,
    simulate_cells,
    simulate_sample,
)
from stietime.simulate.folder import sample_truth
from stietime.simulate.reference import read_populations, reference


@pytest.fixture(scope="module")
def tumour():
    return simulate_sample(Sample("p1", names.TIME, "before"), 2000, seed=3)


@pytest.fixture(scope="module")
def blood():
    return simulate_sample(Sample("p1", names.STIE, "before"), 2000, seed=3)


def expression(cells, gene, mask):
    return cells[np.asarray(mask)][:, gene].X.toarray().ravel()


def test_a_sample_has_counts_and_truth(tumour):
    assert tumour.X.dtype == np.int32
    assert tumour.X.format == "csr"
    assert tumour.X.data.min() > 0
    assert tumour.obs_names.is_unique
    assert tumour.var_names.equals(reference().genes)
    kinds = tumour.obs["true_kind"].value_counts()
    assert kinds.to_dict() == {"cell": 1820, "dying": 100, "doublet": 80}
    assert set(tumour.obs["true_state"]) == {"", *names.STATES}
    assert (tumour.obs["true_partner"] != "").sum() == 80


def test_the_same_seed_gives_the_same_cells_whatever_else_is_simulated():
    sample = Sample("p2", names.STIE, "after")
    one = simulate_sample(sample, 80, seed=5)
    simulate_sample(Sample("p1", names.STIE, "after"), 80, seed=5)
    same, other = simulate_sample(sample, 80, seed=5), simulate_sample(sample, 80, seed=6)
    assert (one.X != same.X).nnz == 0
    pd.testing.assert_frame_equal(one.obs, same.obs)
    assert (one.X != other.X).nnz > 0


def test_design_keeps_batches_apart_from_environments():
    samples = design(4)
    assert [sample.name for sample in samples[:4]] == [
        *("p1_blood_before", "p1_blood_after", "p1_tumour_before", "p1_tumour_after"),
    ]
    table = pd.DataFrame(
        [(s.batch, s.environment, s.patient) for s in samples], columns=["batch", "where", "who"]
    )
    assert (pd.crosstab(table["batch"], table["where"]) == 4).all(axis=None)
    assert len(table[["who", "batch"]].drop_duplicates()) == 4


def test_the_planted_directions_are_those_of_the_reviews():
    def planted(environment, timepoint, state, parent, seed):
        populations = read_populations()
        values = []
        for number in range(1, 5):
            share = planned_composition(Sample(f"p{number}", environment, timepoint), seed)
            rows = populations.loc[share.index]
            inside = (rows["cell_type"] == parent) | (rows["lineage"] == parent)
            values.append(share[rows["state"] == state].sum() / share[inside].sum())
        return np.mean(values)

    parents = {"texp": "cd8_t", "treg": "cd4_t", "m_mdsc": "mono_cd14", "pmn_mdsc": "neutrophil"}
    for seed in (1, 2, 3):
        for state, parent in parents.items():
            stie, time = (planted(where, "before", state, parent, seed) for where in (names.STIE, names.TIME))
            assert time > 1.5 * stie, state
            after = planted(names.TIME, "after", state, parent, seed)
            assert (after > 1.2 * time) if state == "texp" else (after < 0.8 * time), state
        ter = [planted(where, "before", "ter_cell", "erythroid", seed) for where in (names.STIE, names.TIME)]
        assert ter[0] > 1.3 * ter[1]
        assert planted(names.STIE, "after", "ter_cell", "erythroid", seed) < ter[0]


def test_cells_are_drawn_with_the_planned_probabilities(tumour):
    sample = Sample("p1", names.TIME, "before")
    plan = planned_composition(sample, 3)
    assert plan.sum() == pytest.approx(1)
    singles = tumour.obs.loc[tumour.obs["true_kind"] == "cell", "true_population"]
    counts = singles.value_counts().reindex(plan.index[plan > 0], fill_value=0)
    expected = plan[plan > 0] * len(singles)
    large = expected > 5
    chi2 = ((counts - expected)[large] ** 2 / expected[large]).sum()
    assert stats.chi2.sf(chi2, large.sum() - 1) > 1e-3
    assert set(singles) <= set(plan.index[plan > 0])


def test_lineages_belong_to_their_environment(blood, tumour):
    in_blood, in_tumour = set(blood.obs["true_lineage"]), set(tumour.obs["true_lineage"])
    assert {"epithelial", "fibroblast", "endothelial", "macrophage", "mast"} <= in_tumour - in_blood
    assert {
        "neutrophil",
        "monocyte",
        "t_cell",
        "nk",
        "b_cell",
        "platelet",
        "erythroid",
    } <= in_blood & in_tumour


def test_states_differ_from_their_sisters_by_their_markers(tumour):
    obs = tumour.obs[tumour.obs["true_kind"] == "cell"]
    cells = tumour[obs.index]
    for state, parent, up, down in (
        ("texp", "cd8_t", "GZMK", "HAVCR2"),
        ("treg", "cd4_t", "FOXP3", "CD40LG"),
        ("m_mdsc", "mono_cd14", "S100A8", "HLA-DRA"),
        ("pmn_mdsc", "neutrophil", "OLR1", "CXCR2"),
        ("ter_cell", "erythroid", "TFRC", "PTPRC"),
    ):
        within = (obs["true_cell_type"] == parent) | (obs["true_lineage"] == parent)
        inside, sister = within & (obs["true_state"] == state), within & (obs["true_state"] != state)
        assert expression(cells, up, inside).mean() > 1.5 * expression(cells, up, sister).mean(), state
        if state != "ter_cell":
            assert expression(cells, down, inside).mean() < expression(cells, down, sister).mean(), state


def test_low_genes_drop_out_as_in_droplet_data(tumour, blood):
    treg = tumour.obs["true_state"] == "treg"
    assert 0.2 < (expression(tumour, "FOXP3", treg) > 0).mean() < 0.8
    cd4 = (blood.obs["true_cell_type"] == "cd4_t") & (blood.obs["true_kind"] == "cell")
    assert 0.08 < (expression(blood, "CD4", cd4) > 0).mean() < 0.35
    assert 0.45 < (expression(blood, "CD3E", cd4) > 0).mean() < 0.9
    ter = blood.obs["true_state"] == "ter_cell"
    assert 0.1 < (expression(blood, "GYPA", ter) > 0).mean() < 0.7


def test_red_cells_and_ter_cells_share_haemoglobin_and_nothing_else(blood):
    obs = blood.obs[blood.obs["true_kind"] == "cell"]
    cells = blood[obs.index]
    n_genes = np.diff(cells.X.indptr)
    globin = cells[:, ["HBB", "HBA1", "HBA2"]].X.sum(axis=1).A1 / cells.X.sum(axis=1).A1
    red, ter = (obs["true_cell_type"] == "red_cell").to_numpy(), (obs["true_state"] == "ter_cell").to_numpy()
    assert np.median(globin[red]) > 0.8
    assert np.median(n_genes[red]) < 200
    assert 0.1 < np.median(globin[ter]) < 0.6
    assert np.median(n_genes[ter]) > 500
    assert (expression(cells, "TFRC", ter) > 0).mean() > 0.7
    assert (expression(cells, "TFRC", red) > 0).mean() < 0.05
    assert (expression(cells, "PTPRC", ter) > 0).mean() < 0.2
    assert (expression(cells, "MKI67", ter) > 0).mean() > 0.2


def test_neutrophils_have_few_genes_and_plasma_cells_much_rna(blood, tumour):
    def of(cells, lineage):
        return cells[(cells.obs["true_lineage"] == lineage) & (cells.obs["true_kind"] == "cell")]

    assert 200 < np.median(np.diff(of(blood, "neutrophil").X.indptr)) < 450
    assert 1800 < np.median(of(blood, "t_cell").X.sum(axis=1).A1) < 3500
    assert np.median(of(tumour, "plasma").X.sum(axis=1).A1) > 4000


def test_batches_and_patients_move_the_profiles():
    source = reference()
    first, second, third = (
        np.log(sample_profiles(Sample(f"p{n}", names.STIE, "before"), 1, source)[0]) for n in (1, 2, 3)
    )
    detected = source.profiles[0] > 1e-5
    same_batch, other_batch = np.std((first - third)[detected]), np.std((first - second)[detected])
    assert same_batch < 0.25 < other_batch
    treated = sample_profiles(Sample("p1", names.TIME, "after"), 1, source)
    untreated = sample_profiles(Sample("p1", names.TIME, "before"), 1, source)
    at = source.positions(["IFNG", "IL2", "CD3E"])
    row = source.populations.index.get_loc("cd8_effector")
    assert np.allclose((treated / untreated)[row, at], [2.0, 0.4, 1.0], rtol=0.02)


def test_truth_counts_the_true_cells():
    sample = Sample("p1", names.TIME, "before")
    cells = simulate_sample(sample, 600, seed=3)
    truth = sample_truth(cells.obs, sample, 3)
    living = cells.obs[cells.obs["true_kind"] == "cell"]
    assert truth.loc[truth["level"] == "lineage", "n"].sum() == len(living)
    assert truth.loc[truth["level"] == "cell_type", "planted_fraction"].sum() == pytest.approx(1, abs=1e-4)
    row = truth[(truth["entity"] == "treg") & (truth["level"] == "state")].iloc[0]
    cd4 = living["true_cell_type"] == "cd4_t"
    assert (row["n"], row["n_parent"], row["parent"]) == (
        (living["true_state"] == "treg").sum(),
        cd4.sum(),
        "cd4_t",
    )
    assert row["fraction"] == pytest.approx(row["n"] / row["n_parent"], abs=1e-5)
    ter = truth[(truth["entity"] == "ter_cell") & (truth["level"] == "state")].iloc[0]
    assert ter["n_parent"] == (living["true_lineage"] == "erythroid").sum()


def test_large_samples_do_not_need_dense_memory():
    import tracemalloc

    reference()
    tracemalloc.start()
    cells = simulate_cells(6000, seed=1, environment="STIE")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert cells.n_obs == 6000
    # one dense float64 matrix of all cells would be 132 MB
    stored = cells.X.data.nbytes + cells.X.indices.nbytes
    assert peak < 3 * stored + 100e6


@pytest.mark.data
def test_cells_look_like_real_ones(data_dir, blood):
    real = ad.read_h5ad(data_dir / "hao2021_pbmc_1000_raw" / "hao_pbmc_1000.h5ad")
    shared = [gene for gene in blood.var_names if gene in real.var_names]
    pbmc = blood.obs["true_lineage"].isin(["t_cell", "nk", "b_cell", "monocyte", "dc"])
    simulated = blood[pbmc & (blood.obs["true_kind"] == "cell"), shared].X.tocsr()
    real_counts = real[:, shared].X.tocsr().astype(int)
    totals = [np.asarray(x.sum(axis=1)).ravel() for x in (simulated, real_counts)]
    # thin the deeper real cells to the simulated depth, so that genes per cell can be compared
    keep = np.median(totals[0]) / np.median(totals[1])
    real_counts.data = np.random.default_rng(0).binomial(real_counts.data, keep)
    real_counts.eliminate_zeros()
    genes = [np.median(np.diff(x.indptr)) for x in (simulated, real_counts)]
    assert genes[0] / genes[1] == pytest.approx(1, abs=0.2)
    zeros = [1 - x.nnz / np.prod(x.shape) for x in (simulated, real_counts)]
    assert zeros[0] == pytest.approx(zeros[1], abs=0.05)
    mito = np.array([gene.startswith("MT-") for gene in shared])
    shares = [np.median(np.asarray(x[:, mito].sum(axis=1) / x.sum(axis=1))) for x in (simulated, real_counts)]
    assert 0.4 < shares[0] / shares[1] < 1.5


@pytest.mark.data
def test_neutrophils_look_like_real_ones(data_dir, blood):
    folder = data_dir / "zilionis_nsclc_blood_tumor_300"
    real = ad.read_h5ad(folder / "zilionis300_counts_recovered.h5ad")
    real = real[(real.obs["Major.cell.type"] == "bNeutrophils").to_numpy()]
    shared = [gene for gene in blood.var_names if gene in real.var_names]
    chosen = (blood.obs["true_lineage"] == "neutrophil") & (blood.obs["true_kind"] == "cell")
    real, simulated = real[:, shared], blood[chosen, shared]
    totals, genes, globin = (
        [np.median(measure(cells)) for cells in (simulated, real)]
        for measure in (
            lambda cells: cells.X.sum(axis=1).A1,
            lambda cells: np.diff(cells.X.tocsr().indptr),
            lambda cells: cells[:, ["S100A8", "S100A9"]].X.sum(axis=1).A1 / cells.X.sum(axis=1).A1,
        )
    )
    for one, other in (totals, genes, globin):
        assert 0.6 < one / other < 1.6


def test_artefacts_are_planted_as_asked():
    sample = Sample("p1", names.STIE, "before")
    asked = Artefacts(doublet_share=0.1, dying_share=0.2, ambient_umi=600.0, neutrophil_depth=0.6)
    cells, usual = simulate_sample(sample, 1000, 3, asked), simulate_sample(sample, 1000, 3)
    assert cells.obs["true_kind"].value_counts().to_dict() == {"cell": 700, "dying": 200, "doublet": 100}
    n_genes = np.asarray((cells.X > 0).sum(axis=1)).ravel()
    plain = ((usual.obs["true_lineage"] == "neutrophil") & (usual.obs["true_kind"] == "cell")).to_numpy()
    whole = ((cells.obs["true_lineage"] == "neutrophil") & (cells.obs["true_kind"] == "cell")).to_numpy()
    depth, plain_depth = (
        np.asarray(x.X.sum(axis=1)).ravel()[mask] - x.obs["true_ambient_umi"].to_numpy()[mask]
        for x, mask in ((cells, whole), (usual, plain))
    )
    assert np.median(depth) == pytest.approx(0.6 * np.median(plain_depth), rel=0.05)
    assert np.median(n_genes[whole]) > 200
    # what is planted as ambient is what genes that no cell of a lineage has show in it
    contamination = cells.obs["true_ambient_umi"].sum() / cells.X.sum()
    assert contamination == pytest.approx(0.19, abs=0.05)
    assert cells.var["ambient_share"].sum() == pytest.approx(1)
