"""Readers of files that data sets are made of: volumes, pictures, tables."""
