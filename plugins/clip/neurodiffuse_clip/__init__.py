"""CLIP's token sequences of images and captions."""
