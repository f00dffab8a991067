"""What each region stands for: the picture that its activity alone is decoded to.

A pattern that is 1 in a region and 0 in every other voxel of the mask goes through the fitted
maps and the generators, as the betas of a test image would (Ozcelik & VanRullen 2023, Sci. Rep.
13:15666, Figs 9-11). `regions` names what is asked for, `answers` sends patterns through the
maps, `renormalise` gives the latents the length of real ones, `paint` makes pictures,
`encoding` predicts the response to them, `display` and `figures` show them, `page` puts all on
one page; `ask` does one after the other and `command` is ``neurodiffuse roi-optimal``.
"""
