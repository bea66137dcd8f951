# Run R's DESeq2 on the drawn counts: Rscript run_deseq2.R (in this folder)
suppressMessages(library(DESeq2))
for (case in c("pairs", "groups", "difference")) {
  counts <- as.matrix(read.delim(paste0(case, "_counts.tsv"), row.names = 1))
  units <- read.delim(paste0(case, "_units.tsv"))
  block <- factor(paste(units$part, units$patient))
  if (case == "groups") {
    design <- model.matrix(~ arm, units)
    contrast <- c(0, 1)
  } else if (case == "pairs") {
    design <- cbind(model.matrix(~ 0 + block), arm = units$arm)
    contrast <- c(rep(0, nlevels(block)), 1)
  } else {
    design <- cbind(model.matrix(~ 0 + block), arm0 = units$arm * (units$part == 0), arm1 = units$arm * (units$part == 1))
    contrast <- c(rep(0, nlevels(block)), 1, -1)
  }
  data <- DESeqDataSetFromMatrix(counts, data.frame(block), design = design)
  data <- DESeq(data, quiet = TRUE, betaPrior = FALSE)
  found <- as.data.frame(results(data, contrast = contrast, independentFiltering = FALSE))
  known <- as.data.frame(mcols(data))[, c("dispGeneEst", "dispFit", "dispersion")]
  table <- cbind(gene = rownames(found), found[, c("baseMean", "log2FoldChange", "lfcSE", "pvalue")], known)
  write.table(table, paste0(case, "_results.tsv"), sep = "\t", quote = FALSE, row.names = FALSE)
  write.table(data.frame(unit = colnames(counts), size_factor = sizeFactors(data)), paste0(case, "_size_factors.tsv"),
    sep = "\t", quote = FALSE, row.names = FALSE)
}
writeLines(c(R.version.string, paste("DESeq2", packageVersion("DESeq2"))), "versions.txt")
