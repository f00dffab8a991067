"""The average of subjects: what the mean of their predicted latents is decoded to.

Ozcelik & VanRullen 2023 (Sci. Rep. 13:15666, Fig 3, "Sub Avg") average the predicted latents of
subjects who saw the same test images, of every kind, and paint the mean. It stands beside the
subjects in the run folder, as ``steps/sub-average``.
"""
