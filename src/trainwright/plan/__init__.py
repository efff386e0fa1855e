"""The plan: what is asked, in one model."""
