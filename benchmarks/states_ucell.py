"""Our UCell beside pyucell: the same scores, their time and memory, from a file to a table of scores.

`python -m benchmarks.states_ucell <ours or pyucell> <counts.h5ad> <scores.parquet>` is what is measured.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import anndata as ad
import numpy as np
import pandas as pd

from benchmarks import scale_data, scale_processes
from benchmarks.public_data import DATA, not_found
from benchmarks.record import Figure
from stietime import names, storage
from stietime.blocks import Block, Blocks, plan_blocks, read_genes
from stietime.cells.marker_sets import match_marker_sets, positions
from stietime.cells.scores.signatures import score_signatures
from stietime.h5ad_parts import read_frame
from stietime.resources import read_markers
from stietime.settings import Compute
from stietime.steps.kept_cells import pair_kept

if TYPE_CHECKING:
    from stietime.cells.marker_sets import MarkerSets

SAMPLE: Final = DATA / "ucell_sample_hao_pbmc_600" / "ucell600_lognorm.h5ad"
PEER: Final = "pyucell"
MAX_DIFFERENCE: Final = 1e-6
MAX_TIME, MAX_MEMORY = 0.2, 0.5
LARGE, QUICK = 100_000, 5_000
SEED: Final = 1
THREADS: Final = 2
MAX_RANK: Final = 1500


def figures(*, quick: bool) -> list[Figure]:
    """Measure the agreement with pyucell, and time and memory of both.

    Parameters
    ----------
    quick
        Fewer cells.
    """
    return [_agreement(), *_cost(QUICK if quick else LARGE)]


def ours(path: Path, output: Path) -> None:
    """Score all marker sets block by block, as `score-states` does, and write the scores."""
    genes = pd.Index(read_frame(path, "var", []).index)
    sets = match_marker_sets(read_markers(), genes)
    pairs, _ = pair_kept([path], [_quality_of(path)])
    over = Blocks(plan_blocks(pairs, max_gib=Compute().block_gib), "threads", THREADS)
    columns = positions(genes, genes)
    found = list(over.map(lambda block: _score_block(block, columns, genes, sets), over.blocks))
    pd.concat(found, ignore_index=True).to_parquet(output)


def _score_block(block: Block, columns: np.ndarray, genes: pd.Index, sets: MarkerSets) -> pd.DataFrame:
    return score_signatures(read_genes(block, columns)[0], genes, sets, min_coverage=0.0)


def theirs(path: Path, output: Path) -> None:
    """Score the same sets with pyucell, and write the scores."""
    cells = ad.read_h5ad(path)
    signatures = with_signs(match_marker_sets(read_markers(), cells.var_names))
    _pyucell(cells, signatures, n_jobs=THREADS)
    scores = cast("pd.DataFrame", cells.obs)[[f"{name}_UCell" for name in signatures]]
    scores.to_parquet(output)


def with_signs(sets: MarkerSets) -> dict[str, list[str]]:
    """Write sets as pyucell reads them, negative genes with a minus behind."""
    return {
        name: [*(f"{gene}+" for gene in sets.genes_of(name)), *(f"{gene}-" for gene in low)]
        for name in sets.set_ids
        if sets.genes_of(name)
        for low in [sets.genes_of(name, "negative")]
    }


def _pyucell(cells: ad.AnnData, signatures: dict[str, list[str]], n_jobs: int = 1) -> None:
    import pyucell

    pyucell.compute_ucell_scores(
        cells, signatures=signatures, max_rank=MAX_RANK, missing_genes="skip", n_jobs=n_jobs
    )


def _agreement() -> Figure:
    case, metric = "600 PBMC, the sample of R's UCell", "largest difference from pyucell, all sets"
    target = f"<= {MAX_DIFFERENCE}"
    if not SAMPLE.is_file():
        return not_found(case, metric, target)
    cells = ad.read_h5ad(SAMPLE)
    sets = only_positive(match_marker_sets(read_markers(), cells.var_names))
    positive = with_signs(sets)
    _pyucell(cells, positive)
    found = score_signatures(cells.X, pd.Index(cells.var_names), sets, min_coverage=0.0)
    peer = cast("pd.DataFrame", cells.obs)
    largest = max(float((found[name] - peer[f"{name}_UCell"].to_numpy()).abs().max()) for name in positive)
    return Figure(case, metric, largest, target=target, met=largest <= MAX_DIFFERENCE, n=cells.n_obs)


def only_positive(sets: MarkerSets) -> MarkerSets:
    """Leave the negative genes out: pyucell cuts their difference off at 0, we keep it."""
    empty = sets.negative * 0
    empty.eliminate_zeros()
    return replace(sets, negative=empty)


def _quality_of(path: Path) -> Path:
    return path.with_name("quality.parquet")


def _cost(n_cells: int) -> list[Figure]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sample, path = scale_data.design(n_cells)[0][0], folder / "counts.h5ad"
        capture = scale_data.plan_capture(sample, n_cells, SEED)
        storage.write_cells(scale_data.as_ingested(capture), path)
        cells = read_frame(path, "obs", []).index
        table = storage.cell_table(cells, **{names.KEEP: np.ones(len(cells), dtype=bool)})
        storage.write_table(table, _quality_of(path))
        costs = {}
        for tool in ("ours", PEER):
            words = [sys.executable, "-m", "benchmarks.states_ucell", tool, str(path)]
            output = folder / f"{tool}.parquet"
            for _ in range(1 if tool == PEER else 2):  # the first of ours may compile
                costs[tool] = scale_processes.measure([*words, str(output)], folder / f"{tool}.log")
            if costs[tool].code:
                message = f"{tool} ended with {costs[tool].code}: {(folder / f'{tool}.log').read_text()}"
                raise RuntimeError(message)
    case = f"all marker sets, {n_cells:,} cells x 20,000 genes, from file to table"
    mine, other = costs["ours"], costs[PEER]
    pairs = (
        ("wall time (s)", mine.wall, other.wall, MAX_TIME),
        ("peak memory (GiB)", mine.peak_pss / 2**30, other.peak_pss / 2**30, MAX_MEMORY),
    )
    return [
        Figure(case, metric, one, two, PEER, f"<= {most} of the peer", one <= most * two, n_cells, SEED)
        for metric, one, two, most in pairs
    ]


def main() -> None:
    """Score with one of the two."""
    tool, path, output = sys.argv[1:]
    {"ours": ours, PEER: theirs}[tool](Path(path), Path(output))


if __name__ == "__main__":
    main()
