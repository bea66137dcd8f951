rule record_provenance:
    input:
        tables=PLAN.tables,
        sources=PLAN.sources,
    output:
        record=OUT.provenance,
    log:
        OUT.log("record_provenance"),
    params:
        settings=PLAN.options(),
        results=PLAN.results,
    shell:
        "stietime step record-provenance --results {params.results:q} --settings {params.settings:q}"
        " --inputs {input.sources:q} --output {output.record:q} 2> {log:q}"


rule report_sample:
    input:
        PLAN.report_inputs,
    output:
        report=report(
            OUT.sample_report, caption="../report/sample.rst", category="Samples"
        ),
    log:
        OUT.log("report_sample/{sample}"),
    params:
        settings=PLAN.options(),
        results=PLAN.results,
    shell:
        "stietime step report-sample --results {params.results:q} --sample {wildcards.sample:q}"
        " --settings {params.settings:q} --output {output.report:q} 2> {log:q}"


rule report_section:
    input:
        PLAN.report_inputs,
    output:
        report=report(
            OUT.section_report, caption="../report/section.rst", category="Sections"
        ),
    log:
        OUT.log("report_section/{section}"),
    params:
        settings=PLAN.options(),
        results=PLAN.results,
    shell:
        "stietime step report-section --results {params.results:q} --section {wildcards.section:q}"
        " --settings {params.settings:q} --output {output.report:q} 2> {log:q}"


rule report_cohort:
    input:
        tables=PLAN.tables,
        record=OUT.provenance,
    output:
        report=report(
            OUT.cohort_report, caption="../report/cohort.rst", category="Cohort"
        ),
    log:
        OUT.log("report_cohort"),
    params:
        settings=PLAN.options(),
        results=PLAN.results,
    shell:
        "stietime step report-cohort --results {params.results:q} --settings {params.settings:q}"
        " --output {output.report:q} 2> {log:q}"
