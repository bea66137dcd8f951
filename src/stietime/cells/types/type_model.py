"""Cell types by a linear model: one that CellTypist made, or one learned from labelled cells.

CellTypist's classification (Dominguez Conde et al., Science 2022): log-normalised expression is standardised
gene by gene, cut off at 10, and a linear classifier gives each label a score.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from scipy.special import expit, softmax

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from scipy.sparse import csr_matrix

    Floats = NDArray[np.float64]

LARGEST: Final = 10.0  # standardised expression beyond which all is the same
N_GENES: Final = 2000
MAX_PER_LABEL: Final = 500
MIN_PER_LABEL: Final = 10
MIN_GENES: Final = 10


@dataclass(frozen=True)
class TypeModel:
    """A linear classifier of cells.

    Parameters
    ----------
    labels
        Names of the labels.
    genes
        Gene symbols.
    coefficients
        Labels x genes.
    intercepts
        One per label.
    means, scales
        What expression is standardised with, one per gene.
    exclusive
        Whether probabilities are those of one label against all others at once (softmax), as of a model that
        is learned here, or of each label by itself (logistic), as of a model of CellTypist.
    """

    labels: tuple[str, ...]
    genes: pd.Index
    coefficients: Floats
    intercepts: Floats
    means: Floats
    scales: Floats
    exclusive: bool = False

    def restricted(self, genes: Sequence[str]) -> TypeModel:
        """Leave out the genes that the data do not have, as CellTypist does.

        Parameters
        ----------
        genes
            Genes of the data.

        Raises
        ------
        ValueError
            Fewer than 10 genes are left.
        """
        here = self.genes.isin(list(genes))
        if here.sum() < MIN_GENES:
            message = f"{here.sum()} of the {len(here)} genes of the model are in the data"
            raise ValueError(message)
        kept = self.coefficients[:, here]
        parts = (self.genes[here], kept, self.intercepts, self.means[here], self.scales[here])
        return TypeModel(self.labels, *parts, exclusive=self.exclusive)

    def renamed(self, genes: pd.Index) -> TypeModel:
        """Give the genes other names; of two with the same name the first stays.

        Parameters
        ----------
        genes
            As many names as there are genes.
        """
        first = ~genes.duplicated()
        parts = (genes[first], self.coefficients[:, first], self.intercepts)
        return TypeModel(self.labels, *parts, self.means[first], self.scales[first], exclusive=self.exclusive)

    def probabilities(self, expression: csr_matrix) -> Floats:
        """Give the probability of each label.

        Parameters
        ----------
        expression
            Log-normalised expression (10,000 counts per cell), cells x the genes of the model.

        Returns
        -------
        Cells x labels.
        """
        standard = (expression.toarray().astype(np.float64) - self.means) / self.scales
        scores = np.minimum(standard, LARGEST) @ self.coefficients.T + self.intercepts
        found: Floats = softmax(scores, axis=1) if self.exclusive else expit(scores)
        return found


def learn_model(expression: csr_matrix, genes: pd.Index, labels: pd.Series, *, seed: int = 1) -> TypeModel:
    """Learn a model from labelled cells: logistic regression on standardised variable genes.

    Parameters
    ----------
    expression
        Log-normalised expression (10,000 counts per cell), cells x genes.
    genes
        Gene symbols of the columns; those that the cells to be annotated have too.
    labels
        Label of each cell; labels of fewer than 10 cells are left out, of others at most 500 cells are used.
    seed
        Seed of the cells that are drawn.

    Raises
    ------
    ValueError
        Fewer than two labels have 10 cells, or fewer than 10 genes vary.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.utils.sparsefuncs import mean_variance_axis

    chosen = _drawn(labels, seed)
    if labels.iloc[chosen].nunique() < 2:
        message = f"{labels.iloc[chosen].nunique()} labels have {MIN_PER_LABEL} cells or more, 2 are needed"
        raise ValueError(message)
    means, variances = mean_variance_axis(expression[chosen].astype(np.float64), axis=0)
    # log expression varies most in the genes that tell types; a weak gene varies by chance only
    order = np.lexsort((genes.to_numpy(dtype=str), -variances))[:N_GENES]
    used = np.sort(order[variances[order] > 0])
    if len(used) < MIN_GENES:
        message = f"{len(used)} genes vary between the labelled cells"
        raise ValueError(message)
    scales = np.sqrt(variances[used])
    standard = (expression[chosen][:, used].toarray().astype(np.float64) - means[used]) / scales
    found = LogisticRegression(C=0.1, max_iter=500, class_weight="balanced")
    found.fit(np.minimum(standard, LARGEST), labels.iloc[chosen].to_numpy(dtype=str))
    coefficients, intercepts = found.coef_, found.intercept_
    if len(found.classes_) == 2:
        coefficients = np.vstack([-coefficients / 2, coefficients / 2])
        intercepts = np.array([-intercepts[0] / 2, intercepts[0] / 2])
    parts = (genes[used], coefficients, intercepts, means[used], scales)
    return TypeModel(tuple(map(str, found.classes_)), *parts, exclusive=True)


def _drawn(labels: pd.Series, seed: int) -> NDArray[np.intp]:
    """Draw cells of each label that has enough; rows are in order."""
    rng, parts = np.random.default_rng(seed), []
    for _, rows in pd.Series(np.arange(len(labels))).groupby(labels.to_numpy(dtype=str)):
        if len(rows) >= MIN_PER_LABEL:
            parts.append(rng.permutation(rows.to_numpy())[:MAX_PER_LABEL])
    return np.sort(np.concatenate(parts)) if parts else np.empty(0, dtype=np.intp)


def types_of(
    probabilities: Floats, labels: Sequence[str], lineages: Sequence[str], min_confidence: float, unknown: str
) -> pd.DataFrame:
    """Choose the type of each cell.

    Parameters
    ----------
    probabilities
        Cells x labels of the model.
    labels
        Type of each label, a set of the marker table or `unknown`; several labels can be of one type.
    lineages
        Lineage of each label.
    min_confidence
        A cell whose best label is less probable is unknown.
    unknown
        What an unknown type and lineage is called.

    Returns
    -------
    One row per cell: lineage, lineage_confidence (probability of the best label of the lineage), cell_type,
    cell_type_confidence, runner_up (type of the best label of another type; of an unknown cell
    that of the best).
    """
    names, homes = np.asarray(labels, dtype=object), np.asarray(lineages, dtype=object)
    best = probabilities.argmax(axis=1)
    highest = probabilities[np.arange(len(best)), best]
    told = (highest >= min_confidence) & (names[best] != unknown)
    own = (names[None, :] == names[best][:, None]) & told[:, None]
    others = np.where(own | (names == unknown)[None, :], -1.0, probabilities)  # unknown is no second choice
    second = np.where(others.max(axis=1) >= 0, names[others.argmax(axis=1)], "")
    return pd.DataFrame(
        {
            "lineage": np.where(told, homes[best], unknown),
            "lineage_confidence": highest,
            "cell_type": np.where(told, names[best], unknown),
            "cell_type_confidence": highest,
            "runner_up": second,
        }
    )
