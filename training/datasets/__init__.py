"""Face data sets: landmarks, splits, crops rendered once, batches."""
