"""Markers of clusters: genes that are higher inside by Wilcoxon's test, and in patient after patient."""

from __future__ import annotations

import io
from contextlib import redirect_stderr
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import pandas as pd

from stietime.cells.clusters.sums import detection_shares, log2_fold_changes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    from stietime.cells.clusters.sums import ClusterSums, PatientTally

    Integers = NDArray[np.int64]
    Floats = NDArray[np.float64]

MIN_PATIENTS: Final = 2  # one patient agrees with itself
COLUMNS: Final = (
    *("cluster", "gene", "auc", "log2_fold_change", "z", "p", "q", "share_in", "share_out"),
    *("n_patients", "n_patients_higher", "n_patients_lower", "consistency", "p_patients"),
    *("n_cells_in", "n_cells_out", "note"),
)
COUNTED: Final = tuple(column for column in COLUMNS if column.startswith("n_"))


class RankSums(NamedTuple):
    """Wilcoxon's test of each gene in each cluster against all other cells.

    Parameters
    ----------
    auc
        Share of the pairs of a cell inside and a cell outside in which the cell inside has the higher value,
        ties counted half, genes x clusters; nan where the cluster or the rest is empty.
    z
        Standardised rank sum, positive where values are higher inside; nan also where all values are equal.
    p
        Two-sided p-value; nan as z. Below 1e-308 it is 0.
    """

    auc: Floats
    z: Floats
    p: Floats


def rank_sum_tests(
    expression: csr_matrix, clusters: Integers, n_clusters: int, *, n_threads: int = 1
) -> RankSums:
    """Test every gene in every cluster against all other cells, with illico.

    Ranks are exact, ties averaged; p-values are those of the normal approximation with the correction for
    ties and without one for continuity (Mann and Whitney 1947), as of scipy's
    `mannwhitneyu(method="asymptotic")`.

    Parameters
    ----------
    expression
        Values, cells x genes.
    clusters
        Cluster of each cell, from 0.
    n_clusters
        Number of clusters.
    n_threads
        Threads; the result does not depend on them.
    """
    import anndata as ad
    from illico import asymptotic_wilcoxon
    from loguru import logger
    from scipy import sparse

    logger.disable("illico")  # it logs what it starts with, for every caller
    # illico takes the stored entries of a gene as the others than zero, and those of a cell as sorted
    is_plain = expression.has_sorted_indices and expression.data.all()
    values = sparse.csr_array(expression, copy=not is_plain)
    values.eliminate_zeros()
    values.sort_indices()
    names = pd.RangeIndex(len(clusters)).astype(str)
    cells = ad.AnnData(values, obs=pd.DataFrame({"cluster": clusters}, index=names))
    with redirect_stderr(io.StringIO()):  # it cannot be asked to leave out its progress bar
        tests = asymptotic_wilcoxon(
            cells, is_log1p=True, group_keys="cluster", use_continuity=False, n_threads=n_threads
        )
    sizes = np.bincount(clusters, minlength=n_clusters)
    found = np.full((3, n_clusters, values.shape[1]), np.nan)
    columns = tests[["statistic", "z_score", "p_value"]].to_numpy().T
    found[:, sizes > 0] = columns.reshape(3, -1, values.shape[1])
    higher, z, p = found.transpose(0, 2, 1)
    differs = (values.max(axis=0) - values.min(axis=0)).toarray().reshape(-1, 1) > 0
    pairs = (sizes * (len(clusters) - sizes)).astype(np.float64)
    auc = np.divide(higher, pairs, out=np.full_like(higher, np.nan), where=pairs > 0)
    return RankSums(auc, np.where(differs, z, np.nan), np.where(differs, p, np.nan))


def marker_table(
    clusters: Sequence[str],
    genes: pd.Index,
    tests: RankSums,
    sums: ClusterSums,
    tally: PatientTally,
    n_tested: Integers,
    *,
    n_markers: int = 25,
    min_consistency: float = 0.75,
    min_cells: int = 20,
    min_cells_per_patient: int = 10,
) -> pd.DataFrame:
    """List the genes that mark each cluster, the best first.

    Genes with an AUC above one half are listed: first those that are higher in at least `min_consistency` of
    the patients, then the others, each by AUC. Clusters were made from the same counts, so p-values order
    genes and do not prove that a cluster exists.

    Parameters
    ----------
    clusters
        Names of the clusters.
    genes
        Names of the genes.
    tests
        Of `rank_sum_tests`, over the tested cells.
    sums
        Sums over all cells.
    tally
        Comparison within each patient, over all cells.
    n_tested
        Number of tested cells of each cluster.
    n_markers
        Largest number of genes for each cluster.
    min_consistency
        Share of patients.
    min_cells
        A cluster of which fewer cells were tested is noted as small.
    min_cells_per_patient
        As the tally was made with, for the note.

    Returns
    -------
    The columns of `COLUMNS`; q corrects p over the genes of a cluster (Benjamini and Hochberg 1995),
    p_patients is that of `sign_test`. A cluster without a marker has one row, without a gene, that says why.
    """
    folds, shares = log2_fold_changes(sums), detection_shares(sums)
    n_cells, tested = int(sums.sizes.sum()), int(n_tested.sum())
    drawn = f"tested on {tested:,} of {n_cells:,} cells, drawn evenly" if tested < n_cells else ""
    parts = []
    for code, cluster in enumerate(clusters):
        n_patients = int(tally.n_patients[code])
        frame = pd.DataFrame(
            {
                "cluster": cluster,
                "gene": np.asarray(genes, dtype=object),
                "auc": tests.auc[:, code],
                "log2_fold_change": folds[code],
                "z": tests.z[:, code],
                "p": tests.p[:, code],
                "q": benjamini_hochberg(tests.p[:, code]),
                "share_in": shares[0][code],
                "share_out": shares[1][code],
                "n_patients": n_patients,
                "n_patients_higher": tally.higher[code],
                "n_patients_lower": tally.lower[code],
                "n_cells_in": int(n_tested[code]),
                "n_cells_out": tested - int(n_tested[code]),
            }
        )
        told = [drawn, _told_patients(n_patients, min_cells_per_patient)]
        if n_tested[code] < min_cells:
            told.append(f"{n_tested[code]} cells are few for the normal approximation")
        frame["note"] = "; ".join(words for words in told if words)
        frame = _best(_with_patients(frame), n_markers, min_consistency)
        parts.append(frame if len(frame) else _no_marker(cluster, n_tested[code], tested))
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)].astype(dict.fromkeys(COUNTED, "Int64"))


def _told_patients(n_patients: int, min_cells: int) -> str:
    if n_patients >= MIN_PATIENTS:
        return ""
    which = "1 patient has" if n_patients else "no patient has"
    return f"consistency not testable: {which} {min_cells} cells inside and outside"


def _with_patients(frame: pd.DataFrame) -> pd.DataFrame:
    """Add the share of patients that agree, and the sign test over them."""
    n_patients = int(frame["n_patients"].iloc[0])
    if n_patients < MIN_PATIENTS:
        return frame.assign(consistency=np.nan, p_patients=np.nan)
    higher, lower = (frame[f"n_patients_{way}"].to_numpy() for way in ("higher", "lower"))
    return frame.assign(consistency=higher / n_patients, p_patients=sign_test(higher, lower))


def _best(frame: pd.DataFrame, n_markers: int, min_consistency: float) -> pd.DataFrame:
    higher = frame[frame["auc"] > 0.5]
    keys = higher.assign(_inconsistent=higher["consistency"] < min_consistency)
    by, ascending = ["_inconsistent", "auc", "log2_fold_change", "gene"], [True, False, False, True]
    return higher.loc[keys.sort_values(by, ascending=ascending, kind="stable").index[:n_markers]]


def _no_marker(cluster: str, n_inside: int, n_tested: int) -> pd.DataFrame:
    why = "no gene is higher inside than outside"
    if n_inside == n_tested:
        why = "not testable: all cells are in this cluster"
    row = {"cluster": cluster, "n_cells_in": n_inside, "n_cells_out": n_tested - n_inside, "note": why}
    return pd.DataFrame([row]).reindex(columns=list(COLUMNS))


def benjamini_hochberg(p: Floats) -> Floats:
    """Correct p-values for the false discovery rate; those that are nan stay so and do not count."""
    from scipy.stats import false_discovery_control

    corrected = np.full(len(p), np.nan)
    known = ~np.isnan(p)
    if known.any():
        corrected[known] = false_discovery_control(p[known])
    return corrected


def sign_test(higher: Integers, lower: Integers) -> Floats:
    """Test exactly whether as many patients are higher as lower (Dixon and Mood 1946), two-sided.

    Patients in whom both are equal do not count; 1 where none is left.

    Parameters
    ----------
    higher, lower
        Number of patients, one entry per gene.
    """
    from scipy.special import bdtr

    n = higher + lower
    p: Floats = np.minimum(2 * bdtr(np.minimum(higher, lower), np.maximum(n, 1), 0.5), 1.0)
    return np.where(n > 0, p, 1.0)
