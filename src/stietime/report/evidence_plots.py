"""Small drawings of the evidence on a claim: patients' values, the estimate, the margin; as inline SVG."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from stietime.report.tables import format_number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

WIDTH, HEIGHT = 560, 172
TOP, BOTTOM = 24.0, 136.0
LEFT_AXIS, SECOND_AT, FIRST_AT = 52.0, 92.0, 200.0
FROM, TO = 290.0, 548.0
SPREAD: Final = 26.0  # of the dots of a group, to either side
MOST_PATIENTS: Final = 200
PERCENT: Final = ("cell_fraction", "gated_fraction")


@dataclass(frozen=True)
class Effect:
    """An estimate on the scale of its test.

    Parameters
    ----------
    estimate, low, high
        With its interval.
    margin
        Effects within it count as no change.
    expected
        up, down or unchanged, as the claim has it for the first arm.
    unit
        What the estimate is.
    sides
        What lies left and right of zero.
    """

    estimate: float
    low: float
    high: float
    margin: float
    expected: str
    unit: str
    sides: tuple[str, str]


def evidence_svg(
    values: pd.DataFrame, effect: Effect, *, kind: str, arms: tuple[str, str], what: str, paired: bool
) -> str:
    """Draw patients' values beside the estimate with its interval and the equivalence margin.

    Parameters
    ----------
    values
        Rows of `patient_values.tsv` of one contrast and entity; may be empty.
    effect
        The estimate.
    kind
        Kind of the contrast's measure.
    arms
        Names of the first and of the second arm.
    what
        What the values are.
    paired
        Whether the values of a patient are joined.

    Returns
    -------
    SVG that stands in a page as it is; one path holds all dots of an arm, so that it stays small.
    """
    told = f"{what}: {effect.unit} {format_number(effect.estimate)}"
    parts = [
        f'<svg class="evidence" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" '
        f'aria-label="{html.escape(told, quote=True)}">',
        *(_patients(values, kind=kind, arms=arms, what=what, paired=paired) if len(values) else []),
        *_estimate(effect),
        "</svg>",
    ]
    return "".join(parts)


def _patients(
    values: pd.DataFrame, *, kind: str, arms: tuple[str, str], what: str, paired: bool
) -> list[str]:
    scale = 100.0 if kind in PERCENT else 1.0
    wide = values.assign(natural=values["natural"] * scale).pivot_table(
        index="patient", columns="arm", values="natural", aggfunc="mean"
    )
    wide = wide.reindex(columns=["first", "second"]).sort_values(["first", "second"])
    n = len(wide)
    if n > MOST_PATIENTS:
        wide = wide.iloc[np.linspace(0, n - 1, MOST_PATIENTS).round().astype(int)]
    low, high = _limits(wide.to_numpy(), floor=0.0 if kind in PERCENT else None)
    first, second = (_height(wide[arm].to_numpy(), low, high) for arm in ("first", "second"))
    parts = [_text(4, 13, f"{what}{' (%)' if kind in PERCENT else ''}", "t")]
    for value in (low, high):
        y = _height(np.array([value]), low, high)[0]
        parts += [
            f'<path class="g" d="M{LEFT_AXIS:g} {y:.0f}H{FIRST_AT + 34:g}"/>',
            _text(LEFT_AXIS - 4, y + 4, format_number(value), "e"),
        ]
    spread = 0.0 if paired else SPREAD
    shift = np.zeros(len(wide)) if len(wide) < 2 else np.linspace(-spread, spread, len(wide))
    if paired:
        both = ~np.isnan(first) & ~np.isnan(second)
        pairs = zip(second[both], first[both], strict=True)
        lines = "".join(f"M{SECOND_AT:g} {a:.1f}L{FIRST_AT:g} {b:.1f}" for a, b in pairs)
        parts.append(f'<path class="l" d="{lines}"/>')
    parts += [_dots(second, SECOND_AT + shift, "b"), _dots(first, FIRST_AT + shift, "a")]
    for place, name, arm in ((SECOND_AT, arms[1], "second"), (FIRST_AT, arms[0], "first")):
        parts += [
            _text(place, BOTTOM + 17, name, "m"),
            _text(
                place, BOTTOM + 31, f"n = {int(values.loc[values['arm'] == arm, 'patient'].nunique())}", "m q"
            ),
        ]
    if n > MOST_PATIENTS:
        parts.append(_text(4, HEIGHT - 1, f"{MOST_PATIENTS} of {n} patients drawn, evenly by value", "q s"))
    return parts


def _limits(values: np.ndarray, *, floor: float | None) -> tuple[float, float]:
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    low = floor if floor is not None else low
    return (low, high) if high > low else (low - 0.5 if floor is None else low, low + 1.0)


def _height(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.asarray(BOTTOM - (values - low) / (high - low) * (BOTTOM - TOP))


def _dots(heights: np.ndarray, places: np.ndarray, name: str) -> str:
    known = ~np.isnan(heights)
    path = "".join(f"M{x:.1f} {y:.1f}h0" for x, y in zip(places[known], heights[known], strict=True))
    return f'<path class="{name}" d="{path}"/>' if path else ""


def _estimate(effect: Effect) -> list[str]:
    reach = 1.12 * max(abs(effect.low), abs(effect.high), effect.margin, abs(effect.estimate))

    def place(value: float) -> float:
        """Give the position of a value."""
        return float((FROM + TO) / 2 + value / reach * (TO - FROM) / 2)

    middle = (TOP + BOTTOM) / 2 + 6
    left, right = place(-effect.margin), place(effect.margin)
    claimed = {
        "up": (TO, "e", "claimed: \N{RIGHTWARDS ARROW}"),
        "down": (FROM, "t", "\N{LEFTWARDS ARROW} claimed"),
        "unchanged": ((FROM + TO) / 2, "m", "claimed: within the margin"),
    }.get(effect.expected)
    parts = [
        f'<rect class="band" x="{left:.1f}" y="{TOP + 14:g}" width="{right - left:.1f}"'
        f' height="{BOTTOM - TOP - 14:g}"/>',
        f'<path class="z" d="M{place(0):.1f} {TOP + 14:g}V{BOTTOM:g}M{FROM:g} {BOTTOM:g}H{TO:g}"/>',
        f'<path class="i" d="M{place(effect.low):.1f} {middle:g}H{place(effect.high):.1f}"/>',
        f'<path class="p" d="M{place(effect.estimate):.1f} {middle:g}h0"/>',
        _text(FROM, 13, effect.sides[0], "t q"),
        _text(TO, 13, effect.sides[1], "e q"),
        _text((FROM + TO) / 2, BOTTOM + 31, effect.unit, "m q"),
    ]
    parts += [_text(place(v), BOTTOM + 15, format_number(v), "m q") for v in _ticks(reach)]
    if claimed:
        x, anchor, text = claimed
        parts.append(_text(x, 28, text, anchor))
    return parts


def _ticks(reach: float) -> list[float]:
    step = 10 ** np.floor(np.log10(reach))
    for factor in (5, 2, 1, 0.5):
        if factor * step <= 0.9 * reach:
            return [-factor * step, 0.0, factor * step]
    return [0.0]


def _text(x: float, y: float, text: str, name: str) -> str:
    return f'<text class="{name}" x="{x:.1f}" y="{y:.1f}">{html.escape(text)}</text>'


def evidence_words(row: Mapping[str, Any], unit: str, notes: Sequence[str]) -> str:
    """Say in words what a drawing shows, as HTML.

    Parameters
    ----------
    row
        A row of `claims.tsv`.
    unit
        What the estimate is.
    notes
        Further remarks.
    """
    pairs = row.get("n_pairs", 0)
    patients = f"{int(pairs)} pairs" if pairs else f"{int(row['n_patients'])} patients"
    words = [
        f"{unit[:1].upper()}{unit[1:]} {format_number(row['estimate'])} "
        f"(95 % interval {format_number(row['ci_low'])} to {format_number(row['ci_high'])}; {patients}; "
        f"q {format_number(row['q'])})."
    ]
    if _known(row.get("p_equivalence")):
        words.append(
            f"Margin \N{PLUS-MINUS SIGN}{format_number(row['equivalence_margin'])} (grey band): "
            f"p of equivalence {format_number(row['p_equivalence'])}."
        )
    if _known(row.get("power")):
        unchanged = row.get("expected") == "unchanged"
        of = "to show equivalence if nothing changes" if unchanged else "to find an effect of the margin"
        words.append(f"Power {of}: {100 * row['power']:.0f} %.")
    if _known(row.get("detectable")):
        words.append(f"Found with 80 % power: {format_number(row['detectable'])} or more.")
    return html.escape(" ".join([*words, *filter(None, notes)]))


def _known(value: Any) -> bool:  # noqa: ANN401 - a number, or nothing
    return value is not None and value == value  # noqa: PLR0124 - nan is not itself
