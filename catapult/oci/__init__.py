"""Image registries: which image a name means, what it is, and who has signed it, by the OCI distribution specification 1.1.

It uses only what a registry sends: no database, no settings, and no rules of which keys apply. Every request goes through
`egress`. What a registry sends is untrusted.
"""

from catapult.oci.authorization import Access
from catapult.oci.faults import Fault, RegistryError
from catapult.oci.registry import Registry, Signature
from catapult.rules.image_manifests import Image

__all__ = ["Access", "Fault", "Image", "Registry", "RegistryError", "Signature"]
