"""How each state of the reviews is called: in which cells, by which genes, against which reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Protocol

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable


Reference = Literal["parent", "outside"]
GATE_WEIGHT: Final = 2.0
NO_WEIGHT: Final = 1e-6  # of a gate gene that adds nothing to the evidence


@dataclass(frozen=True)
class StateRule:
    """The rule of one state.

    Parameters
    ----------
    state
        The state, which is also its set in the marker table.
    parent
        The cell type the state is called in, with the types below it.
    unresolved
        A lineage whose cells without a type of their own are taken as the parent too; may be empty.
    shared_sets
        Sets whose positive genes all parent cells have; they do not tell the state and are left out.
    reference
        What a cell is compared with: `parent`, the parent cells that are not called; or `outside`, the cells
        of other lineages, whose RNA is what ambient RNA brings.
    limit
        What the call cannot tell.
    falsifier
        What would prove the calls wrong.
    min_odds
        How many times likelier the counts of a called cell are with the state, at the least.
    nucleated
        Whether a called cell must be likelier a nucleated erythroid cell than a reticulocyte, too.
    left_out
        Genes of the set that tell ordinary cells of the parent from each other, such as naive from effector
        cells, and not the state. A gate gene among them stays the gate, and adds nothing to the evidence.
    """

    state: str
    parent: str
    unresolved: str
    shared_sets: tuple[str, ...]
    reference: Reference
    limit: str
    falsifier: str
    min_odds: float = 3.0
    nucleated: bool = False
    left_out: tuple[str, ...] = ()


RULES: Final = (
    StateRule(
        state="texp",
        parent="cd8_t",
        unresolved="",
        shared_sets=("t_cell", "cd8_t"),
        reference="parent",
        limit="GZMK+ bystander memory cells cannot be told from Texp without shared T-cell receptors: 2 "
        "to 40 % of the CD8+ T cells of healthy blood are called, and are such cells; compare with donors",
        falsifier="Called cells that share no T-cell receptor with exhausted cells of the same tumour, or "
        "that show no PD-1 protein, are memory cells rather than precursors of exhaustion; the "
        "same share of calls in donors' blood means the rule finds memory.",
    ),
    StateRule(
        state="treg",
        parent="cd4_t",
        unresolved="",
        shared_sets=("t_cell", "cd4_t"),
        reference="parent",
        limit="blood Treg show fewer of the genes than tumour Treg and are missed more often",
        falsifier="Called cells that make IL-2, lack FOXP3 protein, or whose FOXP3 locus is methylated are "
        "activated CD4 cells and no Treg.",
    ),
    StateRule(
        state="m_mdsc",
        parent="mono_cd14",
        unresolved="monocyte",
        shared_sets=("monocyte", "mono_cd14"),
        reference="parent",
        limit="low class II is relative to the other monocytes of the cohort; sepsis, growth factor and some "
        "healthy monocytes look the same: compare with donors",
        falsifier="Called cells that do not suppress T cells in a dish, show HLA-DR protein as other "
        "monocytes do, or are as frequent in the blood of donors, are ordinary monocytes.",
        min_odds=5.0,  # class II differs among ordinary monocytes more than random genes do
    ),
    StateRule(
        state="pmn_mdsc",
        parent="neutrophil",
        unresolved="",
        shared_sets=("neutrophil",),
        reference="parent",
        limit="suppression is not seen in mRNA, and density is not known: activated neutrophils look alike",
        falsifier="Called cells of the usual density (not among the mononuclear cells), without LOX-1 "
        "protein, or that do not suppress T cells in a dish, are activated neutrophils.",
    ),
    StateRule(
        state="ter_cell",
        parent="erythroid",
        unresolved="",
        shared_sets=("erythroid", "reticulocyte"),
        reference="outside",
        limit="cannot be told from other erythroblasts without Artemin, which is rarely detected; late "
        "normoblasts, which hold as little RNA as reticulocytes, are missed; kits that deplete globin RNA "
        "make reticulocytes look nucleated",
        falsifier="Called cells with CD45 protein, without CD71 or CD235a protein, or without a nucleus are "
        "other cells of the erythroid line; without Artemin they are erythroblasts, whatever made "
        "them.",
        nucleated=True,
    ),
)


class Thresholds(Protocol):
    """What calls are made by; the settings of states are such."""

    @property
    def fold_change(self) -> float:
        """How much a gene of the state differs."""

    @property
    def false_call_rate(self) -> float:
        """Share of cells without the state that may be called."""

    @property
    def false_discovery_rate(self) -> float:
        """Share of the called cells that may be without the state."""


@dataclass(frozen=True)
class StateGenes:
    """The genes of a state that tell it within its parent.

    Parameters
    ----------
    genes
        Genes in the data, positive ones first.
    weights
        Weight of each gene; negative for genes that must be low.
    missing
        Informative genes that are not in the data.
    coverage
        Share of the set's positive genes, uninformative ones included, that are in the data.
    has_gate
        Whether the review defines the state by a gate gene, in the data or not.
    gates_only
        Gate genes that add nothing to the evidence.
    """

    genes: tuple[str, ...]
    weights: tuple[float, ...]
    missing: tuple[str, ...]
    coverage: float
    has_gate: bool = False
    gates_only: tuple[str, ...] = ()

    @property
    def positive(self) -> tuple[str, ...]:
        """Genes that are high in the state and speak for it."""
        return tuple(g for g, w in zip(self.genes, self.weights, strict=True) if w > NO_WEIGHT)

    @property
    def gates(self) -> tuple[str, ...]:
        """Positive genes that the review defines the state by."""
        by_weight = (g for g, w in zip(self.genes, self.weights, strict=True) if w >= GATE_WEIGHT)
        return (*by_weight, *self.gates_only)


def informative_genes(rule: StateRule, markers: pd.DataFrame, genes: Iterable[str]) -> StateGenes:
    """Choose the genes that tell a state within its parent.

    Parameters
    ----------
    rule
        The rule of the state.
    markers
        The marker table: set_id, direction, gene, weight.
    genes
        Gene symbols of the dataset; a frozen set is taken as it is, for one that is asked often.
    """
    present = genes if isinstance(genes, frozenset) else frozenset(genes)
    positive = markers["direction"] == "positive"
    shared = set(markers.loc[markers["set_id"].isin(rule.shared_sets) & positive, "gene"])
    rows = markers[markers["set_id"] == rule.state].drop_duplicates("gene")
    high, low = rows[rows["direction"] == "positive"], rows[rows["direction"] != "positive"]
    telling = pd.concat([high[~high["gene"].isin(shared)], low])
    gate_only = telling["gene"].isin(rule.left_out) & (telling["weight"] >= GATE_WEIGHT)
    telling = telling[~telling["gene"].isin(rule.left_out) | gate_only]
    telling = telling.assign(weight=telling["weight"].astype(float).mask(gate_only, NO_WEIGHT))
    signs = telling["direction"].map(lambda direction: 1.0 if direction == "positive" else -1.0)
    here = telling["gene"].isin(present)
    return StateGenes(
        genes=tuple(telling.loc[here, "gene"]),
        weights=tuple(telling.loc[here, "weight"] * signs[here]),
        missing=tuple(telling.loc[~here, "gene"]),
        coverage=float(high["gene"].isin(present).mean()) if len(high) else 0.0,
        has_gate=bool((high["weight"] >= GATE_WEIGHT).any()),
        gates_only=tuple(telling.loc[here & (telling["weight"] == NO_WEIGHT), "gene"]),
    )


def describe_rule(rule: StateRule, genes: StateGenes, settings: Thresholds) -> str:
    """Say a rule in plain words.

    Parameters
    ----------
    rule
        The rule of the state.
    genes
        Its informative genes in the data.
    settings
        What calls are made by, as in `calls.call_state`.
    """
    negative = [g for g, w in zip(genes.genes, genes.weights, strict=True) if w < 0]
    fold_change, false_call_rate = settings.fold_change, settings.false_call_rate
    text = (
        f"{rule.parent} cells whose counts are more likely with {', '.join(genes.positive)} "
        f"{fold_change:g} times higher"
    )
    if negative:
        text += f" and {', '.join(negative)} {fold_change:g} times lower"
    if rule.reference == "outside":
        odds = max(rule.min_odds, 1 / false_call_rate)
        text += f" than what ambient RNA brings (cells of other lineages), by at least {odds:g} to 1"
        if rule.nucleated:
            text += (
                ", and by as much with the genes of nucleated stages (sorted erythroblasts, Ludwig 2019) at "
                "the level of an erythroblast than at that of the last stage before the reticulocyte"
            )
        return text
    gates = ", ".join(genes.gates) if genes.gates else "any of the higher genes"
    if genes.has_gate and not genes.gates:
        gates = "a gate gene (the data have none)"
    return text + (
        f" than in the {rule.parent} cells that are not called, by at least {rule.min_odds:g} to 1, more "
        f"than {false_call_rate:.1%} of cells reach with random genes of the same expression "
        f"({false_call_rate / 10:.2%}, and 10 to 1, without {gates}), and so much that random genes would "
        f"call at most {settings.false_discovery_rate:.0%} as many cells"
    )
