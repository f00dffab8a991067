"""``python -m neurodiffuse`` is the command ``neurodiffuse``."""

from neurodiffuse.cli import main

if __name__ == "__main__":
    main()
