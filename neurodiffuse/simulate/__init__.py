"""A brain with known answers: scenes to look at, and voxels that respond to them."""
