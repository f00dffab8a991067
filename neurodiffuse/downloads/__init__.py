"""Fetch large files: what is wanted, on what terms, resumed after a break, verified."""
