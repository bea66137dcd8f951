suppressMessages(library(metafor))
d <- read.delim("cases.tsv")
out <- do.call(rbind, lapply(split(d, d$case), function(x) {
  r <- rma(yi, vi, data=x, method="PM", test="knha", control=list(tol=1e-14, maxiter=10000))
  ci <- confint(r, control=list(tol=1e-12, maxiter=10000, tau2.max=1e7))$random
  z <- rma(yi, vi, data=x, method="PM", test="z", control=list(tol=1e-14, maxiter=10000))
  c0 <- rma(yi, vi, data=x, method="EE")
  k <- r$k
  pr <- if (k > 2) { h <- qt(.975, k-2)*sqrt(z$tau2 + z$se^2); c(r$b - h, r$b + h) } else c(NA, NA)
  data.frame(case=as.character(x$case[1]), k=k, estimate=r$b[1], se=r$se, se_normal=z$se, ci_low=min(r$ci.lb, z$ci.lb), ci_high=max(r$ci.ub, z$ci.ub), p=max(r$pval, z$pval), tau2=r$tau2,
   tau2_low=ci["tau^2","ci.lb"], tau2_high=ci["tau^2","ci.ub"], i2=r$I2/100, i2_low=ci["I^2(%)","ci.lb"]/100, i2_high=ci["I^2(%)","ci.ub"]/100,
   q_heterogeneity=r$QE, p_heterogeneity=r$QEp, prediction_low=pr[1], prediction_high=pr[2],
   common_estimate=c0$b[1], common_se=c0$se, common_p=c0$pval)
}))
write.table(format(out, digits=13, scientific=TRUE, trim=TRUE), "expected.tsv", sep="\t", quote=FALSE, row.names=FALSE)
cat(R.version.string, "metafor", as.character(packageVersion("metafor")), "\n")
