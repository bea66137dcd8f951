"""Colours, sizes and small habits that all figures share."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from stietime import names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from matplotlib.axes import Axes

INK: Final = "#222222"
MUTED: Final = "#6b6b6b"
FAINT: Final = "#d4d4d4"
ACCENT: Final = "#0072B2"
WARNING: Final = "#D55E00"

# Okabe and Ito's palette: told apart with every common form of colour blindness
CATEGORIES: Final = (
    *("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9"),
    *("#D55E00", "#8C6BB1", "#B8A200", "#5C5C5C", "#66A61E"),
)

ENVIRONMENT_COLOURS: Final = {
    names.STIE: "#D55E00",
    names.TIME: "#0072B2",
    names.NORMAL: "#009E73",
    names.LYMPH_NODE: "#8C6BB1",
}

# families share a hue and differ in lightness: T and NK blue, B orange, myeloid green, granulocytes violet
LINEAGE_COLOURS: Final = {
    "t_cell": "#0072B2",
    "nk": "#7CC4EE",
    "b_cell": "#E69F00",
    "plasma": "#8A5A00",
    "monocyte": "#5FC98F",
    "macrophage": "#00664B",
    "dc": "#B8A200",
    "pdc": "#6E6100",
    "neutrophil": "#CC79A7",
    "mast": "#882255",
    "basophil": "#E3B7D0",
    "platelet": "#B79BD8",
    "erythroid": "#C8102E",
    "epithelial": "#B09A7E",
    "hepatocyte": "#7D6B52",
    "fibroblast": "#5C5C5C",
    "pericyte": "#909090",
    "endothelial": "#2F3E73",
    # what a panel can call when it cannot say more
    "eosinophil": "#A33B6F",
    "lymphocyte": "#56A0D3",
    "myeloid": "#2F8F5B",
    "immune": "#B3D4EA",
    names.UNKNOWN: "#D0D0D0",
}

REGION_COLOURS: Final = {"tumour": "#D55E00", "boundary": "#E6C200", "stroma": "#56B4E9"}

VERDICT_COLOURS: Final = {
    names.SUPPORTED: "#0072B2",
    names.EQUIVALENT: "#56B4E9",
    names.CONTRADICTED: "#D55E00",
    names.INCONCLUSIVE: "#8f8f8f",
    names.NOT_TESTABLE: "#d4d4d4",
}

REASON_COLOURS: Final = {
    names.KEPT: "#BFD7E8",
    "empty": "#5C5C5C",
    "low_counts": "#E69F00",
    "high_counts": "#8A5A00",
    "low_genes": "#F0D060",
    "high_genes": "#B8A200",
    "high_mito": "#D55E00",
    "doublet": "#882255",
    "sample_excluded": "#101010",
}

RC: Final[dict[Any, Any]] = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "text.color": INK,
    "grid.color": "#ececec",
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
}


def styled[**P](function: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw a figure with the shared sizes and colours, whatever the user's matplotlib settings."""

    @functools.wraps(function)
    def _draw(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with mpl.rc_context():
            mpl.rcdefaults()
            mpl.rcParams.update(RC)
            return function(*args, **kwargs)

    return _draw


def new_figure(width: float, height: float) -> Figure:
    """Make an empty figure, in inches; the layout keeps labels from being cut."""
    layout = ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.07, hspace=0.03, wspace=0.03)
    return Figure(figsize=(width, height), layout=layout)


def colours_of(values: Iterable[str], known: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give each distinct value a colour: the known one, else the next of the palette.

    Parameters
    ----------
    values
        Values in the order they are to be listed; repeats are ignored.
    known
        Colours that are fixed by meaning, such as those of the environments.
    """
    distinct = list(dict.fromkeys(values))
    known = known or {}
    free = [colour for colour in _endless(len(distinct)) if colour not in known.values()]
    others = iter(free)
    return {value: known.get(value) or next(others) for value in distinct}


def _endless(n: int) -> list[str]:
    """Return more than `n` colours: the palette, then an even walk round the colour wheel."""
    import colorsys

    golden = 0.618033988749895
    walk = [colorsys.hls_to_rgb((0.1 + i * golden) % 1, 0.35 + 0.15 * (i % 3), 0.6) for i in range(max(0, n))]
    return [*CATEGORIES, *(mpl.colors.to_hex(rgb) for rgb in walk)]


def bare(axes: Axes) -> None:
    """Remove ticks and frame where the axes have no unit, as in an embedding or a map."""
    axes.set_xticks([])
    axes.set_yticks([])
    for side in ("left", "right", "top", "bottom"):
        axes.spines[side].set_visible(False)


def empty_note(axes: Axes, text: str) -> None:
    """Say in the axes why nothing is drawn."""
    bare(axes)
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes, color=MUTED, wrap=True)


def dot_size(n: int) -> float:
    """Return the area of a dot, in square points, that suits the number of dots."""
    return float(min(16.0, max(0.6, 14_000 / max(n, 1))))
