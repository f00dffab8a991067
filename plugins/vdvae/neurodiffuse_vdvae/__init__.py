"""The very deep VAE (Child 2021): what an image is to it, and the picture its layers make."""
