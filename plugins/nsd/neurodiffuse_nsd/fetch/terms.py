"""On what terms the data are given, and where those are."""

from __future__ import annotations

from neurodiffuse.downloads import Terms
from neurodiffuse_nsd.citation import CITE

FORM = "https://forms.gle/xue2bCdM9LaFNMeb7"
"""The data access form, as the projects that use NSD link it."""

NSD = Terms(
    "Natural Scenes Dataset",
    "NSD data access agreement",
    "https://cvnlab.slite.page/p/IB6BSeW_7o/Terms-and-Conditions",
    "The data are given to those who have agreed to the terms and filled in the access form.\n"
    f"form: {FORM}\n"
    "Do not pass on any of the files, region masks included.\n"
    f"cite: {CITE}\n"
    "This is no substitute for the terms; read them at:",
)

COCO = Terms(
    "COCO captions",
    "CC BY 4.0 (annotations)",
    "https://cocodataset.org/#termsofuse",
    "Captions of the pictures, written for Microsoft COCO.\n"
    "cite: Lin et al. 2014, Microsoft COCO: Common objects in context, arXiv:1405.0312",
)
