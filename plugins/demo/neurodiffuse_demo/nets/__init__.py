"""The networks. Everything here imports torch, so nothing outside imports it at module level."""
