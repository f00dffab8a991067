"""Which regions a data set knows of a subject, how large they are, and where."""
