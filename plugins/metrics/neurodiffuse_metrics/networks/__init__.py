"""The networks, cut where their features are read; parts are named as in the published files.

They are written out here rather than imported from torchvision: a torchvision that does not fit
the installed torch fails to import, and takes transformers and diffusers with it. The tests
compare them with torchvision and transformers.
"""
