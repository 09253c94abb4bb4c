"""Certificates that a message names: only from addresses of the provider, fetched and cached."""

import re
import threading
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from ringback.sources.matching import Fetch
from ringback.sources.verdict import Reason, RefusedError

MOST_FETCHES: Final = 10
"""Fetches per minute: a stranger can name as many addresses as there are."""

_MOST_KEPT: Final = 50
_MINUTE: Final = timedelta(minutes=1)

SNS: Final = re.compile(
    r"https://sns\.[a-z0-9-]{3,40}\.amazonaws\.com(?:\.cn)?/[A-Za-z0-9_-]{1,200}\.pem"
)
PAYPAL: Final = re.compile(
    r"https://api(?:-m)?(?:\.sandbox)?\.paypal\.com/v1/notifications/certs/[A-Za-z0-9_-]{1,200}"
)


class Certificates:
    """The RSA keys of certificates at addresses that `pattern` allows, until they end.

    It is safe to use in threads.
    """

    def __init__(self, pattern: re.Pattern[str], fetch: Fetch | None) -> None:
        """Fetch with `fetch`; without it no certificate is available."""
        self._pattern = pattern
        self._fetch = fetch
        self._keys: dict[str, tuple[RSAPublicKey, datetime]] = {}
        self._fetched: list[datetime] = []
        self._lock = threading.Lock()

    def get(self, url: str, now: datetime) -> RSAPublicKey:
        """Return the key of the certificate at `url`.

        Raises:
            RefusedError: The address is not the provider's, or there is no valid certificate now.
        """
        if not self._pattern.fullmatch(url):
            msg = "the address of the certificate is not one of the provider"
            raise RefusedError(Reason.ADDRESS_REFUSED, msg)
        found = self._keys.get(url)
        if found is None or now > found[1]:
            with self._lock:  # others that know their certificate do not wait
                found = self._load(url, now)
        return found[0]

    def _load(self, url: str, now: datetime) -> tuple[RSAPublicKey, datetime]:
        found = self._keys.get(url)
        if found is not None and now <= found[1]:
            return found
        self._fetched = [one for one in self._fetched if abs(now - one) < _MINUTE]
        if len(self._fetched) >= MOST_FETCHES:
            msg = f"more than {MOST_FETCHES} certificates were asked for in a minute"
            raise RefusedError(Reason.KEY_UNAVAILABLE, msg)
        self._fetched.append(now)
        if self._fetch is None:
            raise RefusedError(Reason.KEY_UNAVAILABLE, "certificates are not fetched here")
        try:
            certificate = x509.load_pem_x509_certificate(self._fetch(url))
            key = certificate.public_key()
        except OSError as error:
            msg = f"the certificate could not be fetched: {error}"
            raise RefusedError(Reason.KEY_UNAVAILABLE, msg) from None
        except (ValueError, UnsupportedAlgorithm):
            raise RefusedError(
                Reason.KEY_UNAVAILABLE, "what was fetched is not a certificate"
            ) from None
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise RefusedError(Reason.KEY_UNAVAILABLE, "the certificate is not valid at this time")
        if not isinstance(key, RSAPublicKey):
            raise RefusedError(Reason.KEY_UNAVAILABLE, "the certificate has no RSA key")
        while len(self._keys) >= _MOST_KEPT:
            self._keys.pop(next(iter(self._keys)))
        self._keys[url] = key, certificate.not_valid_after_utc
        return self._keys[url]
