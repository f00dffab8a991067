"""A tree in NSD's layout with known answers, for trying things out."""
