"""Decoders, which predict latents from brain responses, and what they share."""
