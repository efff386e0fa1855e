"""Learners on tables: a file is a name, `ridge.py` would be `tabular/ridge`."""
