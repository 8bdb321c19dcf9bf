"""Image registries: which image a name means, what it is, and who has signed it, by the OCI distribution specification 1.1.

Only what a registry says and what its content proves is known here: no database, no settings, and no rule of which keys apply.
Every request goes out by `egress`. What a registry sends is hostile until proven otherwise.
"""

from catapult.oci.authorization import Access
from catapult.oci.faults import Fault, RegistryError
from catapult.oci.registry import Registry, Signature
from catapult.rules.image_manifests import Image

__all__ = ["Access", "Fault", "Image", "Registry", "RegistryError", "Signature"]
