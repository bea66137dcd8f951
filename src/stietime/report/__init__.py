"""Reports: one offline HTML file per sample and section, and one for the cohort."""
