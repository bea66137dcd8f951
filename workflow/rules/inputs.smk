if PLAN.settings.simulation:

    rule simulate:
        output:
            files=PLAN.sources,
            truth=PLAN.truth,
        log:
            OUT.log("simulate"),
        params:
            settings=PLAN.options("simulation"),
            version=PLAN.version,
        shell:
            "stietime simulate --settings {params.settings:q} 2> {log:q}"


rule ingest:
    input:
        source=PLAN.source,
    output:
        counts=OUT.counts,
    log:
        OUT.log("ingest/{sample}"),
    params:
        row=PLAN.row,
        settings=PLAN.options("inputs"),
        version=PLAN.version,
    shell:
        "stietime step ingest --sample {params.row:q} --settings {params.settings:q}"
        " --output {output.counts:q} 2> {log:q}"
