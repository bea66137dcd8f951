"""What the neighbours and the cluster of a cell say of its type, where the cell itself is undecided."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from stietime.cells.cell_types import LINEAGE_OF
from stietime.cells.types.classify import Probabilities, pieces

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    Floats = NDArray[np.float64]


def lean_on_neighbours(found: Probabilities, graph: csr_matrix, weight: float) -> Probabilities:
    """Draw undecided cells towards the weighted mean of their neighbours; see `lean_on_clusters`.

    Parameters
    ----------
    found
        Probabilities of each cell by itself.
    graph
        Cells x cells, weights between neighbours; a cell's weight to itself does not count, and a cell
        without neighbours stays as it is.
    weight
        From 0 to 1.
    """
    return _lean(found, partial(_mean_of_neighbours, found, graph), weight)


def _mean_of_neighbours(found: Probabilities, graph: csr_matrix, some: slice) -> Floats:
    near = sparse.csr_matrix(graph[some], dtype=np.float64)
    own = near.diagonal(k=some.start)
    weights = np.asarray(near.sum(axis=1)).ravel() - own
    summed = near @ found.matrix - own[:, None] * found.matrix[some]
    alone = weights <= 0
    mean: Floats = summed / np.where(alone, 1, weights)[:, None]
    mean[alone] = found.matrix[some][alone]
    return mean


def lean_on_clusters(found: Probabilities, clusters: Sequence[str], weight: float) -> Probabilities:
    """Draw undecided cells towards the mean of their cluster.

    The mean enters with ``weight (1 - lead)``, where the lead is that of the first over the second lineage:
    a clear cell keeps its own.

    Parameters
    ----------
    found
        Probabilities of each cell by itself.
    clusters
        Cluster of each cell.
    weight
        From 0 to 1.
    """
    codes, _ = pd.factorize(np.asarray(clusters, dtype=object))
    members = sparse.csr_matrix((np.ones(len(codes)), (codes, np.arange(len(codes)))))
    size = np.maximum(np.asarray(members.sum(axis=1)).ravel(), 1)
    mean = (members @ found.matrix) / size[:, None]
    return _lean(found, lambda some: mean[codes[some]], weight)


def _lean(found: Probabilities, mean_of: Callable[[slice], Floats], weight: float) -> Probabilities:
    lineages, _ = pd.factorize(np.array([LINEAGE_OF.get(kind, kind) for kind in found.types], dtype=object))
    of_lineage = np.eye(int(lineages.max()) + 1)[lineages]
    leaned = np.empty_like(found.matrix)
    for some in pieces(len(leaned)):
        own = found.matrix[some]
        ordered = np.sort(own @ of_lineage, axis=1)
        lead = ordered[:, -1] - (ordered[:, -2] if ordered.shape[1] > 1 else 0)
        share = (weight * (1 - lead))[:, None]
        leaned[some] = (1 - share) * own + share * mean_of(some)
    return Probabilities(found.types, leaned)
