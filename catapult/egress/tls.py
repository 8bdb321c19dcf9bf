"""TLS for the connections that this code opens itself. libpq, boto3 and redis have settings of their own."""

import ssl


def client_context(cafile: str | None = None, cadata: str = "") -> ssl.SSLContext:
    """Return a context that trusts the authorities in that file, by default the machine's, and those in `cadata`, in PEM.

    It speaks TLS 1.2 or newer. Python as Debian builds it would leave that to OpenSSL's configuration.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if cafile:
        context.load_verify_locations(cafile)
    else:
        context.load_default_certs()
    if cadata:
        context.load_verify_locations(cadata=cadata)
    return context
