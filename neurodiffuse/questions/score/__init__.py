"""Scores of any two folders of pictures; no run is needed."""
