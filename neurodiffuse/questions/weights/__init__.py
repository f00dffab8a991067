"""Fitted maps back onto the brain: which voxels each feature is read from, and which regions.

``neurodiffuse weights --run DIR`` writes statmaps, pictures, a table of regions and a page.
Weights say what the decoder uses, not what a voxel responds to; patterns say the latter (Haufe et
al. 2014, NeuroImage 87:96-110).
"""
