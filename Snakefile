from snakemake.utils import min_version

from stietime.plan import Plan

min_version("9.5")

if not config:

    configfile: "config/config.yaml"


container: "envs/stietime.sif"


PLAN = Plan.from_config(config)
OUT = PLAN.outputs


wildcard_constraints:
    sample=PLAN.sample_pattern,
    section=PLAN.section_pattern,


include: "workflow/rules/inputs.smk"
include: "workflow/rules/cells.smk"
include: "workflow/rules/cohort.smk"
include: "workflow/rules/sections.smk"
include: "workflow/rules/reports.smk"


rule all:
    default_target: True
    input:
        PLAN.targets,
