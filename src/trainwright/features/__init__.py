"""From typed columns to the float32 matrix that a learner reads: one file for each transform, `recipe.py` puts them together."""
