"""Contrasts in words: their names, their arms, and what lies on either side of zero."""

from __future__ import annotations

from typing import Final

CONTRAST_NAMES: Final = {
    "stie_vs_time": "Blood (STIE) against tumour (TIME), before treatment",
    "time_vs_normal": "Tumour (TIME) against normal tissue, before treatment",
    "patient_vs_donor_blood": "Blood of patients against blood of donors",
    "after_vs_before:STIE": "After against before treatment, in blood (STIE)",
    "after_vs_before:TIME": "After against before treatment, in the tumour (TIME)",
    "after_vs_before:TIME-STIE": "Change under treatment: tumour less blood",
    "responder_vs_non:STIE": "Responders against non-responders, blood before treatment",
    "responder_vs_non:TIME": "Responders against non-responders, tumour before treatment",
    "responder_vs_non_after:STIE": "Responders against non-responders, blood after treatment",
    "responder_vs_non_after:TIME": "Responders against non-responders, tumour after treatment",
    "change_responder_vs_non:STIE": "Change of blood under treatment, responders against non-responders",
    "change_responder_vs_non:TIME": "Change of the tumour under treatment, responders against non-responders",
    "after_vs_before:TIME;rt_field=out": "Abscopal: unirradiated lesion, after against before radiotherapy",
    "after_vs_before:TIME;rt_field=in": "Irradiated lesion, after against before radiotherapy",
    "after_vs_before:TIME;rt_field=out-in": "Change under radiotherapy: unirradiated less irradiated lesion",
    "after_vs_before:TIME-STIE;rt_field=out": "Change under radiotherapy: unirradiated lesion less blood",
    "after_vs_before:TIME-STIE;rt_field=in": "Change under radiotherapy: irradiated lesion less blood",
}
STRATUM_NAMES: Final = {"rt_modality": "modality", "dose_gy_per_fraction": "Gy per fraction"}

# first and second arm of a contrast, by its design
ARM_NAMES: Final = {
    "stie_vs_time": ("blood", "tumour"),
    "time_vs_normal": ("tumour", "normal tissue"),
    "patient_vs_donor_blood": ("patients", "donors"),
    "after_vs_before": ("after", "before"),
    "responder_vs_non": ("responders", "others"),
    "change_responder_vs_non": ("responders", "others"),
}

# what lies left (lower in the first arm) and right of zero
CONTRAST_SIDES: Final = {
    "stie_vs_time": ("higher in tumour", "higher in blood"),
    "time_vs_normal": ("higher in normal tissue", "higher in tumour"),
    "patient_vs_donor_blood": ("higher in donors", "higher in patients"),
    "after_vs_before:STIE": ("higher before", "higher after"),
    "after_vs_before:TIME": ("higher before", "higher after"),
    "after_vs_before:TIME-STIE": ("tumour rises less than blood", "tumour rises more than blood"),
    **dict.fromkeys(
        [f"responder_vs_non{moment}:{place}" for moment in ("", "_after") for place in ("STIE", "TIME")],
        ("higher in non-responders", "higher in responders"),
    ),
    **dict.fromkeys(
        ["change_responder_vs_non:STIE", "change_responder_vs_non:TIME"],
        ("rises less in responders", "rises more in responders"),
    ),
    "after_vs_before:TIME;rt_field=out": ("higher before", "higher after"),
    "after_vs_before:TIME;rt_field=in": ("higher before", "higher after"),
    "after_vs_before:TIME;rt_field=out-in": ("irradiated rises more", "unirradiated rises more"),
}


def contrast_label(contrast: str) -> str:
    """Name a contrast in words; what follows a semicolon is the stratum.

    Parameters
    ----------
    contrast
        Name of the contrast, such as `after_vs_before:TIME;treatment=immunotherapy`.
    """
    if contrast in CONTRAST_NAMES:
        return CONTRAST_NAMES[contrast]
    design, *strata = contrast.split(";")
    told = CONTRAST_NAMES.get(design, design.replace("_", " "))
    return told + (f" ({', '.join(map(_stratum_label, strata))})" if strata else "")


def _stratum_label(stratum: str) -> str:
    key, _, value = stratum.partition("=")
    return f"{STRATUM_NAMES.get(key, key)} {value.replace('_', ' ')}"


def is_drawn(contrast: str) -> bool:
    """Whether a contrast has figures of its own: not so a stratum, which repeats what it is part of."""
    return ";" not in contrast or contrast in CONTRAST_SIDES


def contrast_sides(contrast: str) -> tuple[str, str]:
    """Say what lies left and right of zero in a contrast."""
    whole = contrast.split(";", maxsplit=1)[0]
    return CONTRAST_SIDES.get(contrast) or CONTRAST_SIDES.get(whole, ("lower", "higher"))


def arm_names(contrast: str) -> tuple[str, str]:
    """Name the first and the second arm of a contrast."""
    return ARM_NAMES.get(contrast.partition(";")[0].partition(":")[0], ("first arm", "second arm"))
