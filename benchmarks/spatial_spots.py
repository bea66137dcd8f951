"""Spots: deconvolved breast cancer beside pathologists, stereoscope, least squares and Xenium."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anndata as ad
import numpy as np
import pandas as pd
import yaml
from scipy import sparse, stats
from scipy.optimize import nnls
from scipy.spatial import cKDTree
from sklearn.metrics import roc_auc_score

from benchmarks.public_data import DATA, not_found
from benchmarks.record import Figure
from stietime import storage
from stietime.tissue.graphs.graph import radius_graph
from stietime.tissue.regions.spot_regions import RINGS, with_neighbours
from stietime.tissue.spots.deconvolution import deconvolve
from stietime.tissue.spots.reference_profiles import reference_profiles
from stietime.tissue.spots.spatial_autocorrelation import pairs_of_shares

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

HER2ST: Final = DATA / "her2st_breast_ST"
JEFWORKS: Final = DATA / "jefworks_breast_visium_xenium"
ROOT: Final = Path(__file__).parents[1]
CONFIG: Final = ROOT / "config" / "datasets" / "breast_her2st" / "config.yaml"
STEREOSCOPE: Final = "stereoscope (authors' proportions)"
NNLS: Final = "scipy nnls, same profiles and genes"
LYMPHOID: Final = ("t_cell", "nk", "b_cell", "plasma")
TUMOUR_LABELS: Final = ("invasive cancer", "cancer in situ")
# stereoscope's types and ours
SAME: Final = {
    "epithelial": (("Epithelial",), ("epithelial",)),
    "T and NK": (("T-cells",), ("t_cell", "nk")),
    "B and plasma": (("B-cells", "Plasma Cells"), ("b_cell", "plasma")),
    "myeloid": (("Myeloid",), ("myeloid", "neutrophil", "mast")),
    "fibroblast": (("CAFs",), ("fibroblast",)),
}
PITCH_OF_ST: Final = 200.0
# types that are told apart both in 313 genes and in spots
GROUPS: Final = {
    **dict.fromkeys(("t_cell", "nk"), "T and NK"),
    **dict.fromkeys(("macrophage", "monocyte", "dc", "pdc"), "myeloid"),
    **{name: name for name in ("b_cell", "plasma", "mast", "epithelial", "fibroblast", "endothelial")},
    "pericyte": "pericyte",
}


def figures(*, quick: bool) -> list[Figure]:
    """Measure her2st, and the breast tumour that was seen by Visium and by Xenium.

    Parameters
    ----------
    quick
        One section of her2st only.
    """
    found = _her2st(("G2",) if quick else ("A1", "B1", "E1", "G2"))
    return found if quick else [*found, *_jefworks()]


@dataclass(frozen=True)
class _Section:
    """A section of her2st: our table of spots and shares, stereoscope's, least squares', the labels."""

    name: str
    spots: pd.DataFrame
    parts: pd.DataFrame
    peer: pd.DataFrame
    plain: pd.DataFrame
    labels: pd.Series

    def graph(self) -> sparse.csr_array:
        """Neighbouring spots."""
        return radius_graph(self.spots[["x_um", "y_um"]].to_numpy(), RINGS * PITCH_OF_ST)

    def share(self, names: Sequence[str], table: str = "parts") -> Floats:
        """Sum the shares of some types."""
        frame = getattr(self, table)
        columns = [name for name in names if name in frame.columns]
        return np.asarray(frame[columns].sum(axis=1, skipna=False), dtype=np.float64)


def _step(*words: object) -> None:
    # a process of its own: numba keeps the number of threads that it started with
    command = [str(Path(sys.executable).with_name("stietime")), "step", *map(str, words)]
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    if ran.returncode:
        message = f"the step failed: {words[0]}: {ran.stderr}"
        raise RuntimeError(message)


def _her2st(sections: Sequence[str]) -> list[Figure]:
    case = "her2st, 4 HER2+ breast cancers by ST"
    if not HER2ST.is_dir():
        return [not_found(case, "AUROC of immune infiltrate", ">= 0.92")]
    settings = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        annotation = pd.Series(settings["annotation"]).to_json()
        _step("make-profiles", "--settings", annotation, "--output", folder / "profiles.parquet")
        read = [_section(name, folder, settings["inputs"]) for name in sections]
    return [
        *_infiltrate(case, read),
        *_hotspots(case, read),
        *_tumour(case, read),
        *_with_stereoscope(case, read),
    ]


def _section(name: str, folder: Path, inputs: dict[str, float]) -> _Section:
    """Take a section through the steps, and fit the same profiles by least squares."""
    out = {kind: folder / f"{name}_{kind}" for kind in ("counts.h5ad", "types.parquet", "parts.parquet")}
    row = {"sample": name, "patient": name[0], "environment": "TIME", "modality": "section"}
    row |= {"format": "spot_table", "path": str(HER2ST / "ST-cnts" / f"{name}.tsv.gz")}
    counts, parts = out["counts.h5ad"], out["parts.parquet"]
    _step("ingest-section", "--section", pd.Series(row).to_json(), "--settings",
          pd.Series(inputs).to_json(), "--output", counts)  # fmt: skip
    _step("deconvolve-spots", "--counts", counts, "--profiles", folder / "profiles.parquet",
          "--cell-types", out["types.parquet"], "--proportions", parts)  # fmt: skip
    tables = {kind: folder / f"{name}_{kind}" for kind in ("spots.parquet", "scores.parquet", "pairs.tsv")}
    tables |= {kind: folder / f"{name}_{kind}" for kind in ("genes.tsv", "architecture.tsv", "hotspots.tsv")}
    words = [word for kind, path in tables.items() for word in (f"--{kind.split('.')[0]}", path)]
    _step("describe-spots", "--counts", counts, "--proportions", parts, *words)
    spots = storage.read_table(tables["spots.parquet"]).set_index("cell")
    shares = storage.read_table(parts).set_index("cell").reindex(spots.index)
    cells = ad.read_h5ad(counts)[spots.index]
    spots.index = shares.index = pd.Index([cell.partition(":")[2] for cell in spots.index])
    own = shares.filter(regex="^share_").rename(columns=lambda column: column.removeprefix("share_"))
    peer = pd.read_csv(HER2ST / "stereoscope-major" / f"{name}-proportion.tsv", sep="\t", index_col=0)
    told = pd.read_csv(HER2ST / "ST-pat-lbl" / f"{name}_labeled_coordinates.tsv", sep="\t")
    told = told.dropna(subset=["x", "y"])
    told.index = pd.Index([f"{round(x)}x{round(y)}" for x, y in zip(told["x"], told["y"], strict=True)])
    plain = _least_squares(cells, folder / "profiles.parquet").set_axis(spots.index)
    return _Section(name, spots, own, peer.reindex(spots.index), plain, told["label"].reindex(spots.index))


def _least_squares(cells: ad.AnnData, profiles: Path) -> pd.DataFrame:
    """Fit the profiles to the counts by non-negative least squares, over the same genes."""
    reference = reference_profiles(storage.read_table(profiles))
    genes = pd.Index(cells.var_names.astype(object))
    used = deconvolve(sparse.csr_matrix(cells.X), genes, reference).genes
    profile = reference.profiles[:, reference.genes.get_indexer(used)]
    counts = sparse.csr_matrix(cells.X)[:, genes.get_indexer(used)].toarray().astype(float)
    found = np.array([nnls(profile.T, row)[0] for row in counts])
    total = np.maximum(found.sum(axis=1, keepdims=True), 1e-12)
    return pd.DataFrame(found / total, columns=list(reference.types))


def _area(is_label: pd.Series, values: Floats) -> float:
    known = np.isfinite(values)
    return float(roc_auc_score(is_label.to_numpy()[known], values[known]))


def _infiltrate(case: str, sections: list[_Section]) -> list[Figure]:
    """Lymphoid and plasma share of a spot and its ring against the label immune infiltrate, on E1 and G2."""
    chosen = [one for one in sections if one.name in ("E1", "G2")]
    rows: dict[str, list[tuple[float, ...]]] = {"of the spot": [], "of the spot and its ring": []}
    found = []
    for one in chosen:
        label = one.labels == "immune infiltrate"
        theirs = one.share(("B-cells", "Plasma Cells", "T-cells", "Myeloid"), "peer")
        ours, plain = one.share(LYMPHOID), one.share(LYMPHOID, "plain")
        for kind, values in rows.items():
            trio = [ours, theirs, plain]
            if "ring" in kind:
                trio = [with_neighbours(one.graph(), part) for part in trio]
            values.append(tuple(_area(label, part) for part in trio))
            metric = f"AUROC of immune infiltrate by the lymphoid share {kind}, {one.name}"
            found += _two_peers(case, metric, values[-1], int(label.sum()))
    for kind, values in rows.items():
        means = tuple(np.mean(values, axis=0))
        metric = f"mean AUROC of immune infiltrate by the lymphoid share {kind}"
        target = ">= 0.92" if "ring" in kind else ""
        found += _two_peers(case, metric, means, len(chosen), target, 0.92)
    return found


def _hotspots(case: str, sections: list[_Section]) -> list[Figure]:
    """How many spots of lymphoid hot spots pathologists call infiltrate, beside their share of all spots."""
    found = []
    for one in sections:
        label, hot = one.labels == "immune infiltrate", one.spots["hotspot"] > 0
        metric = f"spots of lymphoid hot spots, {one.name}"
        found.append(Figure(case, metric, int(hot.sum()), n=len(hot)))
        if label.any() and hot.any():
            share, base = float(label[hot].mean()), float(label.mean())
            metric = f"share of them that pathologists call immune infiltrate, {one.name}"
            found.append(Figure(case, metric, share, base, "of all spots", n=int(hot.sum())))
    return found


def _tumour(case: str, sections: list[_Section]) -> list[Figure]:
    """Tumour score against invasive cancer and cancer in situ; the peers by their epithelial shares."""
    areas: list[tuple[float, ...]] = []
    found: list[Figure] = []
    for one in sections:
        label = one.labels.isin(TUMOUR_LABELS)
        trio = [one.spots["tumour_score"].to_numpy(), one.share(("Epithelial",), "peer")]
        trio.append(one.share(("epithelial",), "plain"))
        areas.append(tuple(_area(label, part) for part in trio))
        found += _two_peers(
            case, f"AUROC of tumour by the tumour score, {one.name}", areas[-1], int(label.sum())
        )
        shares = [one.share(("epithelial",)), *trio[1:]]
        shares = [with_neighbours(one.graph(), part) for part in shares]
        metric = f"AUROC of tumour by the epithelial share of the spot and its ring, {one.name}"
        found += _two_peers(case, metric, tuple(_area(label, part) for part in shares), int(label.sum()))
    means = tuple(np.mean(areas, axis=0))
    return [
        *found,
        *_two_peers(case, "mean AUROC of tumour by the tumour score", means, len(sections), ">= 0.82", 0.82),
    ]


def _two_peers(
    case: str, metric: str, trio: tuple[float, ...], n: int, target: str = "", cut: float = 0.0
) -> list[Figure]:
    ours, theirs, plain = map(float, trio)
    met = ours >= cut if target else None
    first = Figure(case, metric, ours, theirs, STEREOSCOPE, target, met, n)
    return [first, Figure(case, metric, ours, plain, NNLS, n=n)]


def _with_stereoscope(case: str, sections: list[_Section]) -> list[Figure]:
    """Correlation of shares with stereoscope's over all spots of the sections."""
    found = []
    for name, (theirs, ours) in SAME.items():
        both = [
            np.concatenate([one.share(kinds, table) for one in sections])
            for kinds, table in ((ours, "parts"), (theirs, "peer"), (ours, "plain"))
        ]
        known = np.isfinite(both).all(axis=0)
        own, peer, plain = (values[known] for values in both)
        wanted = name in ("epithelial", "T and NK", "B and plasma")
        r, r_plain = float(stats.pearsonr(own, peer)[0]), float(stats.pearsonr(plain, peer)[0])
        metric = f"correlation with stereoscope's share, {name}"
        target = ">= 0.7" if wanted else ""
        met = r >= 0.7 if wanted else None
        found.append(Figure(case, metric, r, r_plain, NNLS, target, met, int(known.sum())))
    return found


def _jefworks() -> list[Figure]:
    case = "breast cancer by Visium and Xenium"
    if not JEFWORKS.is_dir():
        return [not_found(case, "correlation of shares across types", ">= 0.8")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # 16.9 units are the 100 um between Visium's spots
        spots, cells = ad.read_h5ad(JEFWORKS / "breast_visium.h5ad"), JEFWORKS / "breast_xenium.h5ad"
        apart = float(np.median(cKDTree(spots.obsm["spatial"]).query(spots.obsm["spatial"], k=2)[0][:, 1]))
        counts = {}
        for kind, path in (("xenium", cells), ("visium", JEFWORKS / "breast_visium.h5ad")):
            resolution = "spot" if kind == "visium" else "cell"
            row = {"sample": kind, "patient": "p1", "environment": "TIME", "modality": "section"}
            row |= {"format": "h5ad", "path": str(path), "resolution": resolution}
            counts[kind] = folder / f"{kind}.h5ad"
            unit = pd.Series({"um_per_unit": 100 / apart}).to_json()
            _step("ingest-section", "--section", pd.Series(row).to_json(), "--settings", unit, "--output",
                  counts[kind])  # fmt: skip
        types, profiles, parts = (folder / f"{what}.parquet" for what in ("types", "profiles", "parts"))
        _step("map-cells", "--counts", counts["xenium"], "--output", types)
        _step("make-profiles", "--counts", counts["xenium"], "--cell-types", types, "--output", profiles)
        _step("deconvolve-spots", "--counts", counts["visium"], "--profiles", profiles, "--cell-types",
              folder / "dominant.parquet", "--proportions", parts)  # fmt: skip
        read = {kind: ad.read_h5ad(path) for kind, path in counts.items()}
        plain = _least_squares(read["visium"], profiles)
        return _compared(case, read, storage.read_table(types), storage.read_table(parts), plain, profiles)


def _compared(
    case: str,
    read: dict[str, ad.AnnData],
    types: pd.DataFrame,
    parts: pd.DataFrame,
    plain: pd.DataFrame,
    profiles: Path,
) -> list[Figure]:
    """Compare numbers of cells by group over the shared area, and which groups are neighbours."""
    reference = reference_profiles(storage.read_table(profiles))
    per_cell = pd.Series(reference.counts_per_cell, index=list(reference.types))
    molecules = parts.filter(regex="^molecules_").rename(columns=lambda c: c.removeprefix("molecules_"))
    ours = _grouped(molecules / per_cell[molecules.columns])
    total = molecules.sum(axis=1).to_numpy()[:, None]
    theirs = _grouped((plain * total).div(per_cell[plain.columns], axis=1))
    places = np.asarray(read["visium"].obsm["spatial"])
    apart, nearest = cKDTree(places).query(np.asarray(read["xenium"].obsm["spatial"]))
    group = types["lineage"].map(GROUPS).to_numpy(dtype=object)
    known = (apart <= 55.0) & pd.notna(group)
    called = pd.crosstab(nearest[known], group[known]).reindex(range(len(places)), fill_value=0)
    called = called.reindex(columns=ours.columns, fill_value=0)
    shared = called.sum(axis=1).to_numpy() >= 5
    seen, found, peer = (
        frame[shared].sum() / frame[shared].to_numpy().sum() for frame in (called, ours, theirs)
    )
    r, r_plain = float(stats.pearsonr(found, seen)[0]), float(stats.pearsonr(peer, seen)[0])
    n = len(seen)
    rows = [
        Figure(
            case, "correlation of the shares of cells across types", r, r_plain, NNLS, ">= 0.8", r >= 0.8, n
        )
    ]
    called_by, n_spots = "Xenium, called", int(shared.sum())
    rows += [
        Figure(case, f"share of cells, {name}: deconvolved", found[name], seen[name], called_by, n=n_spots)
        for name in seen.index
    ]
    unknown = float((types["lineage"] == "unknown").mean())
    rows.append(Figure(case, "share of Xenium cells of unknown type, left out", unknown, n=len(types)))
    graph = radius_graph(places[shared], RINGS * 100)
    own, calls = (_pairs(frame[shared], graph) for frame in (ours, called))
    rho = float(stats.spearmanr(own, calls)[0])
    rows.append(Figure(case, "rank correlation of bivariate Moran's I over pairs of types", rho, n=len(own)))
    best = [set(values.sort_values(ascending=False).index[:5]) for values in (own, calls)]
    same = len(best[0] & best[1])
    rows.append(
        Figure(case, "of the 5 top pairs of types, the same", same, target=">= 4", met=same >= 4, n=5)
    )
    return rows


def _grouped(amounts: pd.DataFrame) -> pd.DataFrame:
    return amounts.T.groupby(lambda name: GROUPS.get(str(name), "")).sum().T.drop(columns="", errors="ignore")


def _pairs(amounts: pd.DataFrame, graph: sparse.csr_array) -> pd.Series:
    """Bivariate Moran's I of every pair of different types."""
    shares = amounts.to_numpy(dtype=np.float64)
    shares = shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-12)
    table = pairs_of_shares(shares, list(amounts.columns), graph)
    table = table[table["type_a"] != table["type_b"]]
    return table.set_index(["type_a", "type_b"])["moran"]
