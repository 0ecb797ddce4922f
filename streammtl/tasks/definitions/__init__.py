"""One task per file, each as `TASK`. Weights: InvPT/SAK on NYUv2 and PASCAL-Context."""
