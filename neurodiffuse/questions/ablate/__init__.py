"""What each part of a method is worth: the recipe less one part, beside the whole.

`variants` sees from the recipe's structure what can be left out, `switches` reads ``--vary`` and
``--variant``, `ask` computes what changes and writes the table, the sheet and the page; `command`
is ``neurodiffuse ablate``.
"""
