# The plain script in Seurat, after its guided tutorial. Debian has neither harmony nor a finder of doublets for R:
# the batches are not corrected and doublets stay.
# Rscript scale_seurat.R <folder of counts as raw integers> <folder of results>
suppressMessages({library(Seurat); library(Matrix)})
arguments <- commandArgs(trailingOnly = TRUE)
source_dir <- arguments[1]; result_dir <- arguments[2]
stages <- list(); processor <- list()
stage <- function(name, code) {
  begin <- proc.time()
  value <- force(code)
  passed <- proc.time() - begin
  stages[[name]] <<- passed[["elapsed"]]
  processor[[name]] <<- sum(passed[c("user.self", "sys.self")])
  cat(name, ": ", stages[[name]], " s\n", sep = "")
  value
}
ints <- function(name, n) readBin(file.path(source_dir, name), "integer", n = n, size = 4)
cells <- read.delim(file.path(source_dir, "cells.tsv"), colClasses = "character")
genes <- readLines(file.path(source_dir, "genes.txt"))
sizes <- as.numeric(readLines(file.path(source_dir, "sizes.txt")))
object <- stage("read", {
  counts <- new("dgCMatrix", i = ints("i.bin", sizes[1]), p = ints("p.bin", nrow(cells) + 1),
                x = as.numeric(ints("x.bin", sizes[1])), Dim = c(length(genes), nrow(cells)),
                Dimnames = list(genes, cells$cell))
  CreateSeuratObject(counts, min.cells = 3, min.features = 100,
                     meta.data = data.frame(batch = cells$batch, row.names = cells$cell))
})
rm(counts); invisible(gc())
object <- stage("quality", {
  object[["percent.mt"]] <- PercentageFeatureSet(object, pattern = "^MT-")
  subset(object, subset = percent.mt < 20)
})
object <- stage("normalise", NormalizeData(object, verbose = FALSE))
object <- stage("variable genes", FindVariableFeatures(object, verbose = FALSE))
object <- stage("scale", ScaleData(object, verbose = FALSE))
object <- stage("pca", RunPCA(object, verbose = FALSE))
object <- stage("neighbours", FindNeighbors(object, dims = 1:30, verbose = FALSE))
object <- stage("clusters", FindClusters(object, verbose = FALSE))
object <- stage("umap", RunUMAP(object, dims = 1:30, verbose = FALSE))
sets <- read.delim(file.path(source_dir, "sets.tsv"), colClasses = "character")
sets <- lapply(split(sets$gene, sets$set_id), intersect, rownames(object))
object <- stage("score genes", AddModuleScore(object, sets[lengths(sets) > 0], name = "score"))
table <- data.frame(cell = colnames(object), cluster = as.character(Idents(object)))
points <- Embeddings(object, "pca")[, 1:30]; colnames(points) <- paste0("harmony_", 1:30)
drawn <- Embeddings(object, "umap"); colnames(drawn) <- c("umap_1", "umap_2")
write.table(cbind(table, points, drawn), file.path(result_dir, "cells.tsv"), sep = "\t", quote = FALSE,
            row.names = FALSE)
save_json <- function(values, name) {
  lines <- paste0("  \"", names(values), "\": ", unlist(values))
  writeLines(c("{", paste(lines, collapse = ",\n"), "}"), file.path(result_dir, name))
}
save_json(stages, "stages.json")
save_json(processor, "stages_cpu.json")
