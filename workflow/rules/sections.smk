# sections of spots have their own ways to types and regions
ruleorder: deconvolve_spots > map_cells
ruleorder: describe_spots > find_neighbourhoods


rule ingest_section:
    input:
        source=PLAN.source,
    output:
        counts=OUT.section_counts,
    log:
        OUT.log("ingest_section/{section}"),
    params:
        row=PLAN.row,
        settings=PLAN.options("inputs"),
        version=PLAN.version,
    shell:
        "stietime step ingest-section --section {params.row:q} --settings {params.settings:q}"
        " --output {output.counts:q} 2> {log:q}"


rule assess_section:
    input:
        counts=OUT.section_counts,
    output:
        quality=OUT.section_quality,
    log:
        OUT.log("assess_section/{section}"),
    params:
        settings=PLAN.options("quality"),
    shell:
        "stietime step assess-section --counts {input.counts:q} --settings {params.settings:q}"
        " --output {output.quality:q} 2> {log:q}"


rule map_cells:
    input:
        counts=OUT.section_counts,
        quality=OUT.section_quality,
    output:
        cell_types=OUT.section_cell_types,
    log:
        OUT.log("map_cells/{section}"),
    params:
        settings=PLAN.options("annotation"),
    shell:
        "stietime step map-cells --counts {input.counts:q} --quality {input.quality:q} --settings"
        " {params.settings:q} --output {output.cell_types:q} 2> {log:q}"


rule call_section_states:
    input:
        counts=OUT.section_counts,
        quality=OUT.section_quality,
        cell_types=OUT.section_cell_types,
        gene_sets=PLAN.gene_sets,
    output:
        states=OUT.section_states,
        rules=OUT.section_state_rules,
    log:
        OUT.log("call_section_states/{section}"),
    params:
        flags=PLAN.flags("states", "compute"),
    shell:
        "stietime step call-section-states --threads {threads} --counts {input.counts:q} --quality {input.quality:q}"
        " --cell-types {input.cell_types:q} {params.flags:q} --output {output.states:q} --rules {output.rules:q}"
        " 2> {log:q}"


rule make_profiles:
    input:
        counts=PLAN.profiled["counts"],
        cell_types=PLAN.profiled["types"],
        type_model=PLAN.type_model,
    output:
        profiles=OUT.type_profiles,
    log:
        OUT.log("make_profiles"),
    params:
        settings=PLAN.options("annotation"),
    shell:
        "stietime step make-profiles --counts {input.counts:q} --cell-types {input.cell_types:q} --settings"
        " {params.settings:q} --output {output.profiles:q} 2> {log:q}"


rule deconvolve_spots:
    input:
        counts=OUT.section_counts,
        quality=OUT.section_quality,
        profiles=PLAN.profiles,
    output:
        cell_types=OUT.section_cell_types,
        proportions=OUT.proportions,
    log:
        OUT.log("deconvolve_spots/{section}"),
    wildcard_constraints:
        section=PLAN.spot_pattern,
    params:
        settings=PLAN.options("spatial"),
    shell:
        "stietime step deconvolve-spots --counts {input.counts:q} --quality {input.quality:q} --profiles"
        " {input.profiles:q} --settings {params.settings:q} --cell-types {output.cell_types:q}"
        " --proportions {output.proportions:q} 2> {log:q}"


rule describe_spots:
    input:
        counts=OUT.section_counts,
        proportions=OUT.proportions,
    output:
        **PLAN.spot_tables,
    log:
        OUT.log("describe_spots/{section}"),
    wildcard_constraints:
        section=PLAN.spot_pattern,
    params:
        flags=PLAN.flags("spatial", "states", "structures"),
    shell:
        "stietime step describe-spots --counts {input.counts:q} --proportions {input.proportions:q}"
        " {params.flags:q} --pairs {output.proportion_pairs:q} --spots {output.spots:q} --scores"
        " {output.spot_scores:q} --architecture {output.architecture:q} --hotspots"
        " {output.lymphoid_hotspots:q} --genes {output.spatially_variable_genes:q} 2> {log:q}"


rule find_neighbourhoods:
    input:
        counts=OUT.section_counts,
        cell_types=OUT.section_cell_types,
    output:
        neighbourhoods=OUT.neighbourhoods,
        co_occurrence=OUT.co_occurrence,
        architecture=OUT.architecture,
        spots=OUT.spots,
    log:
        OUT.log("find_neighbourhoods/{section}"),
    params:
        settings=PLAN.options("spatial"),
    shell:
        "stietime step find-neighbourhoods --threads {threads} --counts {input.counts:q} --cell-types {input.cell_types:q}"
        " --settings {params.settings:q} --neighbourhoods {output.neighbourhoods:q} --co-occurrence"
        " {output.co_occurrence:q} --architecture {output.architecture:q} --spots {output.spots:q} 2> {log:q}"


rule find_structures:
    input:
        spots=OUT.spots,
        states=OUT.section_states,
    output:
        infiltration=OUT.infiltration,
        structures=OUT.structures,
        capsule=OUT.capsule,
        proximity=OUT.proximity,
        cells=OUT.structure_cells,
    log:
        OUT.log("find_structures/{section}"),
    params:
        flags=PLAN.flags("structures", "spatial"),
    shell:
        "stietime step find-structures --spots {input.spots:q} --states {input.states:q} {params.flags:q}"
        " --infiltration {output.infiltration:q} --structures {output.structures:q}"
        " --capsule {output.capsule:q} --proximity {output.proximity:q} --cells {output.cells:q} 2> {log:q}"


rule find_niches:
    input:
        spots=PLAN.each_cell_section("spots"),
    output:
        niches=OUT.niches,
        numbers=OUT.niche_numbers,
        shares=OUT.niche_shares,
        cells=PLAN.each_cell_section("section_niches"),
    log:
        OUT.log("find_niches"),
    params:
        settings=PLAN.options("structures"),
    shell:
        "stietime step find-niches --spots {input.spots:q} --settings {params.settings:q} --niches"
        " {output.niches:q} --numbers {output.numbers:q} --shares {output.shares:q} --cells {output.cells:q}"
        " 2> {log:q}"


rule measure_distances:
    input:
        counts=OUT.section_counts,
        cell_types=OUT.section_cell_types,
    output:
        cross_k=OUT.cross_k,
        nearest=OUT.nearest_distances,
    log:
        OUT.log("measure_distances/{section}"),
    params:
        settings=PLAN.options("spatial"),
    shell:
        "stietime step measure-distances --threads {threads} --counts {input.counts:q} --cell-types"
        " {input.cell_types:q} --settings {params.settings:q} --cross-k {output.cross_k:q} --nearest"
        " {output.nearest:q} 2> {log:q}"


rule find_interactions:
    input:
        counts=OUT.section_counts,
        spots=OUT.spots,
        proportions=PLAN.proportions_of,
    output:
        interactions=OUT.interactions,
        profiles=OUT.interaction_profiles,
    log:
        OUT.log("find_interactions/{section}"),
    params:
        flags=PLAN.flags("interactions", "spatial"),
    shell:
        "stietime step find-interactions --threads {threads} --counts {input.counts:q} --spots {input.spots:q}"
        " --proportions {input.proportions:q} {params.flags:q} --output {output.interactions:q}"
        " --profiles {output.profiles:q} 2> {log:q}"


rule compare_sections:
    input:
        architecture=PLAN.each_section("architecture"),
        neighbourhoods=PLAN.each_cell_section("neighbourhoods"),
        structures=PLAN.each_cell_section("structures"),
        interactions=PLAN.each_section("interactions"),
        niches=PLAN.niches[2:],
    output:
        sections=OUT.sections,
        contrasts=OUT.section_contrasts,
    log:
        OUT.log("compare_sections"),
    params:
        flags=PLAN.flags("spatial", "comparison"),
    shell:
        "stietime step compare-sections --architecture {input.architecture:q} --niche-shares {input.niches:q}"
        " {params.flags:q} --output {output.sections:q} --contrasts {output.contrasts:q} 2> {log:q}"
