rule compare:
    input:
        cells=OUT.cells,
        counts=PLAN.each_sample("counts"),
        samples=OUT.samples,
        gene_sets=PLAN.gene_sets,
    output:
        composition=OUT.composition,
        contrasts=OUT.contrasts,
        patient_values=OUT.patient_values,
    log:
        OUT.log("compare"),
    params:
        flags=PLAN.flags("comparison", "states"),
    shell:
        "stietime step compare --cells {input.cells:q} --counts {input.counts:q} --samples {input.samples:q}"
        " {params.flags:q} --composition {output.composition:q}"
        " --contrasts {output.contrasts:q} --patient-values {output.patient_values:q} 2> {log:q}"


rule compare_expression:
    input:
        cells=OUT.cells,
        counts=PLAN.each_sample("counts"),
        samples=OUT.samples,
    output:
        OUT.differential_expression,
        OUT.regulators,
        OUT.expression_tests,
    log:
        OUT.log("compare_expression"),
    params:
        flags=PLAN.flags("expression", "comparison", "compute"),
    shell:
        "stietime step compare-expression --cells {input.cells:q} --counts {input.counts:q} --samples"
        " {input.samples:q} {params.flags:q} --threads {threads} --output {output:q} 2> {log:q}"


rule measure_preference:
    input:
        composition=OUT.composition,
    output:
        OUT.tissue_preference,
    log:
        OUT.log("measure_preference"),
    params:
        settings=PLAN.options("comparison"),
    shell:
        "stietime step measure-preference --composition {input.composition:q}"
        " --settings {params.settings:q} --output {output:q} 2> {log:q}"


rule compare_clones:
    input:
        cells=OUT.cells,
        receptors=PLAN.each_sample("receptors"),
    output:
        OUT.clonotypes,
        OUT.clone_contrasts,
        OUT.clones,
        OUT.receptor_counts,
    log:
        OUT.log("compare_clones"),
    params:
        flags=PLAN.flags("clones", "comparison"),
    shell:
        "stietime step compare-clones --cells {input.cells:q} --receptors {input.receptors:q} {params.flags:q}"
        " --output {output:q} 2> {log:q}"


rule weigh_claims:
    input:
        contrasts=OUT.contrasts,
        composition=OUT.composition,
        cells=OUT.cells,
        regulators=OUT.regulators,
    output:
        claims=OUT.claims,
    log:
        OUT.log("weigh_claims"),
    params:
        settings=PLAN.options("comparison"),
    shell:
        "stietime step weigh-claims --contrasts {input.contrasts:q} --composition {input.composition:q}"
        " --cells {input.cells:q} --regulators {input.regulators:q} --settings {params.settings:q}"
        " --output {output.claims:q} 2> {log:q}"


rule check_simulation:
    input:
        truth=PLAN.truth,
        counts=PLAN.each_sample("counts"),
        quality=PLAN.each_sample("quality"),
        cells=OUT.cells,
        embedding=OUT.embedding,
        clonotypes=OUT.clonotypes,
        section_counts=PLAN.each_section("section_counts"),
        architecture=PLAN.each_section("architecture"),
    output:
        planted=OUT.planted,
    log:
        OUT.log("check_simulation"),
    shell:
        "stietime step check-simulation --truth {input.truth:q} --counts {input.counts:q} --quality"
        " {input.quality:q} --cells {input.cells:q} --embedding {input.embedding:q} --clonotypes"
        " {input.clonotypes:q} --section-counts {input.section_counts:q} --architecture {input.architecture:q} --output {output.planted:q} 2> {log:q}"


rule export:
    input:
        counts=PLAN.each_sample("counts"),
        cells=OUT.cells,
        embedding=OUT.embedding,
        corrected=PLAN.ambient_corrected,
    output:
        cohort=OUT.cohort,
    log:
        OUT.log("export"),
    params:
        compute=PLAN.options("compute"),
    shell:
        "stietime step export --counts {input.counts:q} --cells {input.cells:q} --embedding {input.embedding:q}"
        " --ambient-corrected {input.corrected:q} --compute {params.compute:q} --output {output.cohort:q}"
        " 2> {log:q}"
