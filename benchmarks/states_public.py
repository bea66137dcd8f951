"""Public blood and tumours: authors' types, plausible blood, states that should not be there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sklearn.metrics import roc_auc_score

from benchmarks.chain_runs import sheet_row
from benchmarks.public_data import CHEMISTRIES, DATA, ZILIONIS, not_found
from benchmarks.record import Figure
from benchmarks.states_runs import SCANPY, find_states, plain_scores, rank_of
from benchmarks.zilionis_types import OUR_GROUPS, UNMAPPED, authors_group
from stietime import names
from stietime.h5ad_parts import read_frame

if TYPE_CHECKING:
    from pathlib import Path

WU: Final = DATA / "wu2020_blood_nat_tumor_tcells_200" / "wu2020_200_v0_6.h5ad"
HAO: Final = DATA / "hao2021_pbmc_1000_raw" / "hao_pbmc_1000.h5ad"
KANG: Final = DATA / "kang2018_ifnb_pbmc_2000" / "ifnb_2000.h5ad"
SOUPX: Final = DATA / "soupx_pbmc4k_ambient" / "soupx_pbmc_2170.h5ad"
MAX_UNKNOWN, MAX_TER, MIN_AGREEMENT = 0.05, 0.01, 0.97
MIN_CLUSTER: Final = 5  # cells of a cluster that counts in a rank
# the authors' clusters and the sets they should score highest on; they have two of Treg
WU_CLUSTERS: Final = {"4.6-Treg": "treg", "4.3-TCF7": "tpex_tcf7", "8.1-Teff": "effector_t"}
WU_TREG: Final = ("4.6a-Treg", "4.6b-Treg")
# fractions of blood mononuclear cells that textbooks give as usual in adults
PLAUSIBLE: Final = {
    "t_cell": (0.40, 0.80),
    "nk": (0.03, 0.30),
    "b_cell": (0.03, 0.25),
    "monocyte": (0.05, 0.35),
}


def figures(*, quick: bool) -> list[Figure]:
    """Measure lineages of a lung tumour, T-cell states, and healthy blood.

    Parameters
    ----------
    quick
        The lung tumour only.
    """
    found = _zilionis()
    return found if quick else [*found, *_wu(), *_blood()]


def _zilionis() -> list[Figure]:
    case, target = "NSCLC, blood and tumour (Zilionis 2019)", f">= {MIN_AGREEMENT}"
    metric = "lineages that agree with the authors' types"
    if not ZILIONIS.is_file():
        return [not_found(case, metric, target)]
    obs = read_frame(ZILIONIS, "obs", ["Patient", "Tissue"]).astype(str)
    rows = [
        sheet_row(
            f"{patient}_{tissue}",
            ZILIONIS,
            subset=f"Patient={patient}; Tissue={tissue}",
            patient=str(patient),
            batch=str(patient),
            environment=names.STIE if tissue == "blood" else names.TIME,
            chemistry="inDrop",
        )
        for patient, tissue in obs.drop_duplicates().sort_values(["Patient", "Tissue"]).to_numpy()
    ]
    found = find_states(rows, {"integration": {"n_components": 20}})
    authors = found.source("Major.cell.type")
    known = ~authors.isin(UNMAPPED)
    ours = found.cells.loc[known, names.LINEAGE].astype(str).replace(OUR_GROUPS)
    agree = float((ours == authors[known].map(authors_group)).mean())
    return [Figure(case, metric, agree, target=target, met=agree >= MIN_AGREEMENT, n=int(known.sum()))]


def _wu() -> list[Figure]:
    case = "T cells of blood, tissue and tumour (Wu 2020), 3,000 genes"
    if not WU.is_file():
        return [not_found(case, "rank of the cluster by its mean score", "1")]
    found = find_states([sheet_row("wu", WU)])
    clusters = found.source("cluster_orig").replace(dict.fromkeys(WU_TREG, "4.6-Treg"))
    plain = plain_scores(found.counts, list(WU_CLUSTERS.values()))
    rows = []
    for cluster, name in WU_CLUSTERS.items():
        column, inside = names.score_column(name), (clusters == cluster).to_numpy()
        metric = f"rank of {cluster} among the authors' clusters by its mean score_{name}"
        peer = rank_of(cluster, plain[name], clusters, MIN_CLUSTER)
        if column not in found.cells:
            covered = found.fact(name, "coverage")
            metric += f" (not scored: {covered:.0%} of its genes are in the data)"
            rows.append(Figure(case, metric, float("nan"), peer, SCANPY, "1", met=False, n=int(inside.sum())))
            continue
        score = found.cells[column].astype(float)
        rank = rank_of(cluster, score, clusters, MIN_CLUSTER)
        rows.append(Figure(case, metric, rank, peer, SCANPY, "1", rank == 1, int(inside.sum())))
        area, theirs = (float(roc_auc_score(inside, values)) for values in (score, plain[name]))
        metric = f"AUROC of {cluster} by score_{name}"
        rows.append(Figure(case, metric, area, theirs, SCANPY, n=len(inside)))
    return rows


def _blood() -> list[Figure]:
    rows = []
    for path in (HAO, *CHEMISTRIES, KANG, SOUPX):
        case = f"healthy blood, {path.stem}"
        if not path.is_file():
            rows.append(not_found(case, "share unknown", f"< {MAX_UNKNOWN}"))
            continue
        rows += _of_blood(case, path)
    return rows


def _of_blood(case: str, path: Path) -> list[Figure]:
    found = find_states([sheet_row("blood", path)])
    shares = found.cells[names.LINEAGE].astype(str).value_counts(normalize=True)
    n, unknown = len(found.cells), float(shares.get(names.UNKNOWN, 0.0))
    rows = [Figure(case, "share unknown", unknown, target=f"< {MAX_UNKNOWN}", met=unknown < MAX_UNKNOWN, n=n)]
    for lineage, (low, high) in PLAUSIBLE.items():
        share = float(shares.get(lineage, 0.0))
        met = low <= share <= high
        rows.append(Figure(case, f"share of {lineage}", share, target=f"{low} to {high}", met=met, n=n))
    ter = float(found.called("ter_cell").mean())
    rows.append(Figure(case, "share called Ter cells", ter, target=f"<= {MAX_TER}", met=ter <= MAX_TER, n=n))
    for state, parent in (("texp", "cd8_t"), ("treg", "cd4_t"), ("m_mdsc", "mono_cd14")):
        inside = (found.cells[names.CELL_TYPE].astype(str) == parent).to_numpy()
        share, metric = found.share_called(state, inside), f"share of {parent} called {state}"
        rows.append(Figure(case, metric, share, n=int(inside.sum())))
    return rows
