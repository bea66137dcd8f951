"""Claims in which the reviews contradict themselves or each other."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Hashable

ANY_CANCER: Final = "pan_cancer"
SIGNED: Final = ("up", "down", "unchanged")
# a fall of M2 over M1 and a rise of M2 cannot well both be; other entities are compared only with themselves
SAME_QUESTION: Final = {"m2_m1_ratio": "m2_macrophage"}


def conflict_groups(claims: pd.DataFrame) -> pd.Series:
    """Name the group of every claim that another claim contradicts.

    Two claims contradict each other when they ask the same (design, treatment, compartment, entity, and for
    comparisons of groups the same groups), for the same cancer or one of them for all, and give different
    signs. Neither is preferred.

    Parameters
    ----------
    claims
        One row per claim: context, compartment, design, entity_id, cancer, direction, reference_arm.

    Returns
    -------
    Per claim the group, such as `after_vs_before/radiotherapy/TIME/CXCL16`, or "".
    """
    asked: dict[str, list[tuple[Hashable, str, str]]] = defaultdict(list)
    for index, claim in zip(claims.index, claims.to_dict("records"), strict=True):
        if claim["direction"] in SIGNED:
            asked[_question(claim)].append((index, claim["cancer"], claim["direction"]))
    groups: dict[Hashable, str] = {}
    for question, members in asked.items():
        for (one, cancer, sign), (other, other_cancer, other_sign) in combinations(members, 2):
            same_cancer = cancer == other_cancer or ANY_CANCER in (cancer, other_cancer)
            if same_cancer and sign != other_sign:
                groups[one] = groups[other] = question
    return pd.Series([groups.get(claim, "") for claim in claims.index], index=claims.index, dtype=object)


def _question(claim: dict[Hashable, Any]) -> str:
    entity = SAME_QUESTION.get(claim["entity_id"], claim["entity_id"])
    parts = [claim["design"], claim["context"], claim["compartment"], entity]
    if str(claim["design"]).startswith("between"):
        parts.append(claim["reference_arm"])
    return "/".join(parts)
