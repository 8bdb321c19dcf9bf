"""Image registries (a stub until they are merged)."""

from catapult.oci import Access


def access(host: str, repository: str) -> Access:
    return Access(allow_http=host.startswith("localhost"))
