"""For those who add to neurodiffuse: what is installed, what a name is, a new plugin, its check."""
