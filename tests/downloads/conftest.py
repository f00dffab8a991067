"""A misbehaving web server on loopback, and nothing of the user's own account."""

from loopback import plain_network, site

__all__ = ["plain_network", "site"]
