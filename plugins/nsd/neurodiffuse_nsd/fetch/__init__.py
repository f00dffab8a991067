"""``neurodiffuse fetch nsd``: what a recipe needs of the public bucket, on NSD's terms."""
