rule assess_quality:
    input:
        counts=OUT.counts,
    output:
        quality=OUT.quality,
        cuts=OUT.quality_cuts,
        losses=OUT.lineage_losses,
        ambient=OUT.ambient,
        summary=OUT.sample_quality,
    log:
        OUT.log("assess_quality/{sample}"),
    params:
        settings=PLAN.options("quality"),
    shell:
        "stietime step assess-quality --counts {input.counts:q} --settings {params.settings:q} --output"
        " {output.quality:q} --cuts {output.cuts:q} --losses {output.losses:q} --ambient {output.ambient:q}"
        " --sample-quality {output.summary:q} 2> {log:q}"


rule collect_samples:
    input:
        summaries=PLAN.each_sample("sample_quality"),
    output:
        samples=OUT.samples,
    log:
        OUT.log("collect_samples"),
    params:
        settings=PLAN.options("quality"),
    shell:
        "stietime step collect-samples --sample-quality {input.summaries:q} --settings {params.settings:q}"
        " --output {output.samples:q} 2> {log:q}"


rule correct_ambient:
    input:
        counts=OUT.counts,
        quality=OUT.quality,
        ambient=OUT.ambient,
        summary=OUT.sample_quality,
    output:
        corrected=OUT.ambient_corrected,
    log:
        OUT.log("correct_ambient/{sample}"),
    params:
        settings=PLAN.options("quality"),
    shell:
        "stietime step correct-ambient --counts {input.counts:q} --quality {input.quality:q} --ambient"
        " {input.ambient:q} --sample-quality {input.summary:q} --settings {params.settings:q}"
        " --output {output.corrected:q} 2> {log:q}"


rule integrate:
    input:
        counts=PLAN.each_sample("counts"),
        quality=PLAN.each_sample("quality"),
    output:
        embedding=OUT.embedding,
        genes=OUT.variable_genes,
        graph=OUT.graph,
        metrics=OUT.integration_metrics,
    log:
        OUT.log("integrate"),
    params:
        settings=PLAN.options("integration"),
        compute=PLAN.options("compute"),
    shell:
        "stietime step integrate --threads {threads} --settings {params.settings:q} --compute {params.compute:q}"
        " --counts {input.counts:q} --quality {input.quality:q} --output {output.embedding:q}"
        " --variable-genes {output.genes:q} --graph {output.graph:q} --metrics {output.metrics:q} 2> {log:q}"


rule cluster:
    input:
        embedding=OUT.embedding,
        graph=OUT.graph,
    output:
        clusters=OUT.clusters,
    log:
        OUT.log("cluster"),
    params:
        settings=PLAN.options("clustering"),
    shell:
        "stietime step cluster --threads {threads} --embedding {input.embedding:q} --graph {input.graph:q}"
        " --settings {params.settings:q} --output {output.clusters:q} 2> {log:q}"


rule describe_clusters:
    input:
        counts=PLAN.each_sample("counts"),
        quality=PLAN.each_sample("quality"),
        embedding=OUT.embedding,
        clusters=OUT.clusters,
    output:
        OUT.cluster_resolutions,
        OUT.cluster_quality,
        OUT.cluster_markers,
    log:
        OUT.log("describe_clusters"),
    params:
        flags=PLAN.flags("cluster_description", "clustering", "integration", "compute"),
    shell:
        "stietime step describe-clusters --threads {threads} --counts {input.counts:q} --quality {input.quality:q}"
        " --embedding {input.embedding:q} --clusters {input.clusters:q} {params.flags:q}"
        " --output {output:q} 2> {log:q}"


rule annotate:
    input:
        counts=PLAN.each_sample("counts"),
        quality=PLAN.each_sample("quality"),
        clusters=OUT.clusters,
        graph=OUT.graph,
        type_model=PLAN.type_model,
    output:
        cell_types=OUT.cell_types,
    log:
        OUT.log("annotate"),
    params:
        settings=PLAN.options("annotation"),
        compute=PLAN.options("compute"),
    shell:
        "stietime step annotate --threads {threads} --counts {input.counts:q} --quality {input.quality:q}"
        " --clusters {input.clusters:q} --graph {input.graph:q} --settings {params.settings:q}"
        " --compute {params.compute:q} --output {output.cell_types:q} 2> {log:q}"


rule validate_annotation:
    input:
        counts=PLAN.each_sample("counts"),
        cell_types=OUT.cell_types,
    output:
        OUT.annotation_confusion,
        OUT.annotation_scores,
        OUT.annotation_calibration,
    log:
        OUT.log("validate_annotation"),
    shell:
        "stietime step validate-annotation --cell-types {input.cell_types:q} --counts {input.counts:q}"
        " --output {output:q} 2> {log:q}"


rule infer_copy_number:
    input:
        counts=PLAN.each_sample("counts"),
        quality=PLAN.each_sample("quality"),
        cell_types=OUT.cell_types,
    output:
        cells=OUT.copy_number,
        tables=[OUT.copy_number_samples, OUT.copy_number_arms, OUT.copy_number_profile],
    log:
        OUT.log("infer_copy_number"),
    params:
        flags=PLAN.flags("copy_number", "compute"),
    shell:
        "stietime step infer-copy-number --counts {input.counts:q} --quality {input.quality:q} --cell-types"
        " {input.cell_types:q} {params.flags:q} --output {output.cells:q} --tables {output.tables:q} 2> {log:q}"


rule score_states:
    input:
        counts=PLAN.each_sample("counts"),
        quality=PLAN.each_sample("quality"),
        cell_types=OUT.cell_types,
        gene_sets=PLAN.gene_sets,
    output:
        states=OUT.states,
        tables=[OUT.state_rules, OUT.state_genes, OUT.state_examples],
    log:
        OUT.log("score_states"),
    params:
        flags=PLAN.flags("states", "compute"),
    shell:
        "stietime step score-states --threads {threads} --counts {input.counts:q} --quality {input.quality:q}"
        " --cell-types {input.cell_types:q} {params.flags:q} --output {output.states:q} --tables"
        " {output.tables:q} 2> {log:q}"


rule profile_states:
    input:
        counts=PLAN.each_sample("counts"),
        quality=PLAN.each_sample("quality"),
        cell_types=OUT.cell_types,
        states=OUT.states,
    output:
        likeness=OUT.state_likeness,
        profiles=OUT.state_profiles,
        summary=OUT.state_agreement,
    log:
        OUT.log("profile_states"),
    params:
        flags=PLAN.flags("states", "compute"),
    shell:
        "stietime step profile-states --threads {threads} --counts {input.counts:q} --quality {input.quality:q}"
        " --cell-types {input.cell_types:q} --states {input.states:q} {params.flags:q} --output {output.likeness:q}"
        " --profiles {output.profiles:q} --summary {output.summary:q} 2> {log:q}"


rule collect_cells:
    input:
        counts=PLAN.each_sample("counts"),
        clusters=OUT.clusters,
        cell_types=OUT.cell_types,
        states=OUT.states,
    output:
        cells=OUT.cells,
    log:
        OUT.log("collect_cells"),
    shell:
        "stietime step collect-cells --counts {input.counts:q} --clusters {input.clusters:q} --cell-types"
        " {input.cell_types:q} --states {input.states:q} --output {output.cells:q} 2> {log:q}"


rule read_receptors:
    input:
        counts=OUT.counts,
        receptors=PLAN.receptor_files,
    output:
        receptors=OUT.receptors,
    log:
        OUT.log("read_receptors/{sample}"),
    params:
        row=PLAN.row,
        settings=PLAN.options("clones"),
    shell:
        "stietime step read-receptors --sample {params.row:q} --counts {input.counts:q} --settings"
        " {params.settings:q} --output {output.receptors:q} 2> {log:q}"
