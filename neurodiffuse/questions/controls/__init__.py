"""Controls: what a reconstruction would score if the brain said nothing, or everything.

`latents` makes ceilings and floors of the latents, `holdout` refits the maps without the test
images' neighbours, or with wrong labels, `retrieval` answers with training images; `plan` lists
what is asked and `ask` computes it; `command` is ``neurodiffuse controls``.
"""
