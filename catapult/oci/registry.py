"""Questions to a registry: which image a name means, and who has signed it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice, zip_longest
from typing import Any, TypeVar

from catapult.egress import Answer, Policy
from catapult.oci.authorization import Access
from catapult.oci.conversation import MOST_BYTES, Conversation
from catapult.oci.faults import Fault, RegistryError, malformed, mismatched
from catapult.rules import image_manifests, image_signatures, sigstore_bundle
from catapult.rules.image_manifests import ACCEPTED, Descriptor, Image, Malformed, Manifest, digest_of, is_content_of
from catapult.rules.image_reference import ImageName, is_pullable_digest, is_tag
from catapult.rules.image_signatures import BUNDLE, SIMPLE, Claim, SimpleClaim

MOST_SIGNED = 256 * 1024
"""The bytes of a signature of either layout. Every key hashes them again."""

PAGES, LOOKED_AT, TRIED = 3, 16, 3
"""The most pages of referrers, signatures, and images of an index that are read."""

T = TypeVar("T")


@dataclass(frozen=True)
class Signature:
    """A signature of the image with this digest, by a key that the caller named; `layout` is `simple` or `bundle`."""

    key_id: Any
    key: str
    layout: str
    digest: str


class Registry:
    """One conversation with one registry. Each method ends within ten seconds, and raises RegistryError.

    `host` is as people write it, such as `docker.io`, whose API has another host. It is for one thread at a time.
    """

    def __init__(self, policy: Policy, access: Access, host: str) -> None:
        self._conversation = Conversation(policy, access, host)

    def resolve(self, name: ImageName) -> Image:
        """Return the image of the name's digest, or of its tag if it has none. Its content has that digest."""
        self._conversation.start()
        reference = name.digest or name.tag or ""
        digest, named = self._manifest(name.repository, reference)
        if named.manifests is None:
            image: Manifest | None = named
        else:
            image = self._representative(name.repository, named)
        config = image.config if image and image.has_known_config else None
        content = self._blob(name.repository, config) if config else None
        with _as_registry_error(self._conversation.who, _full_name(name.repository, reference)):
            return image_manifests.described(digest, named, image, content)

    def digest_of(self, repository: str, reference: str) -> str:
        """Return the digest of the tag now, or the digest itself if it exists."""
        self._conversation.start()
        what = _full_name(repository, reference)
        path = f"manifests/{_checked_reference(reference)}"
        answer = self._conversation.get(repository, path, what, ACCEPTED, "HEAD")
        digest = answer.headers.get("docker-content-digest", "")
        if (answer.status == 200 and not digest) or answer.status == 405:
            return self._manifest(repository, reference)[0]
        if answer.status != 200:
            raise self._conversation.refusal(answer, what)
        if not is_pullable_digest(digest) or (":" in reference and digest != reference):
            raise malformed(self._conversation.who, what, "another digest, or none that is known")
        return digest

    def signatures(self, repository: str, digest: str, keys: Iterable[Mapping[str, Any]]) -> list[Signature]:
        """Return each key, of `id name public_key`, that signed the image of this digest, once for each layout.

        An unreadable signature is ignored and hides no other. A signature of one platform's image does not count for the index. For
        images with a SHA-512, only bundles are read.
        """
        self._conversation.start()
        _checked_reference(digest)
        keys, signatures = list(keys), dict[tuple[Any, str], Signature]()
        if not keys:
            return []
        both = zip_longest(self._simple_signatures(repository, digest), self._bundles(repository, digest))
        candidates = (candidate for pair in both for candidate in pair if candidate)  # alternate the layouts
        for layout, read in islice(candidates, LOOKED_AT):
            claim = _or_none(read)
            if claim and image_signatures.is_of(layout, claim.payload, digest):
                for key in keys:
                    if (key["id"], layout) not in signatures and claim.is_signed_by(key["public_key"]):
                        signatures[key["id"], layout] = Signature(key["id"], key["name"], layout, digest)
        return list(signatures.values())

    def _simple_signatures(self, repository: str, digest: str) -> Iterator[tuple[str, Callable[[], Claim | None]]]:
        """Yield the digest of each signature of the layout "simple", with a function that reads it."""
        tag = image_signatures.signature_tag(digest)
        result = _or_none(partial(self._manifest, repository, tag)) if tag else None
        contents: dict[str, bytes] = {}

        def claim(layer: Descriptor, signature: bytes) -> SimpleClaim:
            if layer.digest not in contents:  # signatures by several keys are of the same claim
                contents[layer.digest] = self._blob(repository, layer, MOST_SIGNED)
            return SimpleClaim(contents[layer.digest], signature)

        for layer, signature in image_signatures.simple_layers(result[1]) if result else ():
            yield SIMPLE, partial(claim, layer, signature)

    def _bundles(self, repository: str, digest: str) -> Iterator[tuple[str, Callable[[], Claim | None]]]:
        """Yield a function that reads the bundle, for each that refers to the image."""

        def claim(referrer: Descriptor) -> Claim | None:
            layer = image_signatures.bundle_layer(self._manifest(repository, referrer.digest)[1])
            try:
                return sigstore_bundle.opened(self._blob(repository, layer, MOST_SIGNED)) if layer else None
            except sigstore_bundle.Unopened:
                return None

        for referrer in self._referrers(repository, digest):
            if image_signatures.may_be_bundle(referrer):
                yield BUNDLE, partial(claim, referrer)

    def _referrers(self, repository: str, digest: str) -> Iterator[Descriptor]:
        """Yield the referrers of the image, by the API or else by the index with the referrers tag."""
        path: str | None = f"referrers/{digest}"
        what = f"the referrers of {_full_name(repository, digest)}"
        for page in range(PAGES):
            if path is None:
                return
            answer = self._conversation.get(repository, path, what, ACCEPTED)
            index = self._index(answer, what)
            if index is None and page == 0:
                tag = image_signatures.referrers_tag(digest)
                result = _or_none(partial(self._manifest, repository, tag))
                index = result[1] if result else None
            yield from (index.manifests or ()) if index else ()
            path = self._conversation.next_page(answer, repository, path)

    def _index(self, answer: Answer, what: str) -> Manifest | None:
        """Return the index in the answer, or None if it has none."""
        if answer.status in (401, 403, 429) or answer.status >= 500:
            raise self._conversation.refusal(answer, what)
        try:
            index = image_manifests.read(answer.body, answer.headers.get("content-type", ""))
        except Malformed:
            return None
        return index if answer.status == 200 and index.manifests is not None else None

    def _manifest(self, repository: str, reference: str) -> tuple[str, Manifest]:
        """Return a manifest and its digest."""
        what = _full_name(repository, reference)
        answer = self._conversation.content(repository, f"manifests/{_checked_reference(reference)}", what, ACCEPTED)
        named = answer.headers.get("docker-content-digest")
        if ":" in reference and not is_content_of(reference, answer.body):
            raise mismatched(self._conversation.who, what)
        if named is not None and not (is_pullable_digest(named) and is_content_of(named, answer.body)):
            raise malformed(self._conversation.who, what, "a manifest that does not have the digest it should have")
        digest = reference if ":" in reference else named or digest_of(answer.body)
        with _as_registry_error(self._conversation.who, what):
            return digest, image_manifests.read(answer.body, answer.headers.get("content-type", ""))

    def _representative(self, repository: str, index: Manifest) -> Manifest | None:
        """Return the image that represents the index. An index may name images that its registry does not have."""
        candidates = image_manifests.by_preference(index)[:TRIED]
        for number, descriptor in enumerate(candidates, start=1):
            try:
                return self._manifest(repository, descriptor.digest)[1]
            except RegistryError as error:
                if error.fault != Fault.MISSING or number == len(candidates):
                    raise
        return None

    def _blob(self, repository: str, descriptor: Descriptor, most: int = MOST_BYTES) -> bytes:
        """Return the content of a blob."""
        what = _full_name(repository, descriptor.digest)
        if descriptor.size > most:
            raise malformed(self._conversation.who, what, f"a size of more than {most // 1024} KiB")
        content = self._conversation.content(repository, f"blobs/{descriptor.digest}", what).body
        if len(content) != descriptor.size or not is_content_of(descriptor.digest, content):
            raise malformed(
                self._conversation.who, what, "a blob that does not have the digest and the size it should have"
            )
        return content


@contextmanager
def _as_registry_error(who: str, what: str) -> Iterator[None]:
    """Raise RegistryError for what is malformed."""
    try:
        yield
    except Malformed as error:
        raise malformed(who, what, str(error)) from None


def _or_none(read: Callable[[], T]) -> T | None:
    """Return `read()`, or None if the content is missing or malformed."""
    try:
        return read()
    except RegistryError as error:
        if error.fault in (Fault.MISSING, Fault.MALFORMED, Fault.MISMATCH):
            return None
        raise


def _checked_reference(reference: str) -> str:
    """Return the tag or digest. Raises ValueError if it is neither: some registries crash on other references."""
    if not (is_pullable_digest(reference) if ":" in reference else is_tag(reference)):
        raise ValueError(f"{reference[:80]!r} is neither a tag nor a digest.")
    return reference


def _full_name(repository: str, reference: str) -> str:
    """Return the name of a manifest or blob within its registry."""
    return f"{repository}{'@' if ':' in reference else ':'}{reference}"
