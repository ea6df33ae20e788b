"""Audits: whether a data set carries a trait, before anyone trains on it."""
