"""Molecular dynamics that makes reference data."""
