"""Runs, ablations, other people's pictures and published results side by side.

`entries` finds what is compared, `columns` which scores mean the same, `published` the numbers
of papers with their protocols, `rows` puts all into one table, `exports` writes it as TSV, LaTeX
and Markdown; `ask` does one after the other and `command` is ``neurodiffuse compare``.
"""
