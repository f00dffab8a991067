"""The pixels backend: principal components of the image, there and back."""
