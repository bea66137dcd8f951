"""Clone indices by plain loops over clones, written from the papers' formulas; nothing of the package."""

from __future__ import annotations

import math
from collections import Counter


def shannon(counts):
    total = sum(counts)
    return -sum(n / total * math.log2(n / total) for n in counts if n)


def startrac(cells):
    """Give (type) -> expansion, migration, transition; cells are (clone, type, place)."""
    by_clone = {}
    for clone, kind, place in cells:
        by_clone.setdefault(clone, []).append((kind, place))
    out = {}
    for wanted in {kind for _, kind, _ in cells}:
        inside = {clone: sum(kind == wanted for kind, _ in own) for clone, own in by_clone.items()}
        inside = {clone: n for clone, n in inside.items() if n}
        total = sum(inside.values())
        expansion = math.nan
        if len(inside) > 1:
            expansion = 1 - shannon(inside.values()) / math.log2(len(inside))
        migration = transition = 0.0
        for clone, n in inside.items():
            migration += n / total * shannon(Counter(place for _, place in by_clone[clone]).values())
            transition += n / total * shannon(Counter(kind for kind, _ in by_clone[clone]).values())
        out[wanted] = (expansion, migration, transition)
    return out


def pairwise_migration(cells, kind, one, two):
    chosen = [(clone, place) for clone, k, place in cells if k == kind and place in (one, two)]
    return _mean_entropy(chosen)


def pairwise_transition(cells, one, two):
    return _mean_entropy([(clone, kind) for clone, kind, _ in cells if kind in (one, two)])


def _mean_entropy(pairs):
    clones = {}
    for clone, label in pairs:
        clones.setdefault(clone, Counter())[label] += 1
    total = len(pairs)
    if not total:
        return math.nan
    return sum(sum(own.values()) / total * shannon(own.values()) for own in clones.values())
