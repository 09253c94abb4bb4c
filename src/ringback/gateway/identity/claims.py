"""Claims: what an identity provider signed about a person, and what Ringback reads from it."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from authlib.oidc.core import CodeIDToken  # type: ignore[import-untyped]  # - Authlib has no types
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry, extract_compact

from ringback.domain.people_errors import IdentityProviderUnavailableError, SignInRefusedError
from ringback.domain.person import Person, ProofSource, new_person
from ringback.ports.clock import Clock

_EMAIL: Final = "email"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRules:
    """What to read, and who may sign in.

    Attributes:
        user_claim: The claim with the user.
        groups_claim: The claim with the groups.
        allowed_domains: The domains of e-mail addresses that may sign in, in lower case; empty
            allows all.
    """

    user_claim: str = _EMAIL
    groups_claim: str = "groups"
    allowed_domains: frozenset[str] = frozenset()

    def needs_more(self, claims: Mapping[str, Any]) -> bool:
        """Return whether `claims` lack something that the provider may say elsewhere."""
        wanted = {self.user_claim, self.groups_claim, "name"}
        if self.user_claim == _EMAIL or self.allowed_domains:
            wanted |= {_EMAIL, "email_verified"}
        return not wanted <= claims.keys()


def to_person(claims: Mapping[str, Any], rules: ClaimRules) -> Person:
    """Return the person that `claims` describe.

    Raises:
        SignInRefusedError: They do not name a user, the address is not verified, or its domain may
            not sign in.
    """
    user = claims.get(rules.user_claim)
    if not isinstance(user, str):
        msg = f"the identity provider did not send the claim {rules.user_claim!r}"
        raise SignInRefusedError(msg)
    if rules.user_claim == _EMAIL or rules.allowed_domains:
        _check_email(claims, rules.allowed_domains)
    name = claims.get("name")
    try:
        return new_person(
            user,
            name=name if isinstance(name, str) and name.isprintable() else None,
            groups=_to_groups(claims.get(rules.groups_claim)),
            proof_source=ProofSource.OIDC,
        )
    except ValueError as exc:
        msg = f"the identity provider sent something that cannot be used: {exc}"
        raise SignInRefusedError(msg) from exc


def _check_email(claims: Mapping[str, Any], allowed_domains: frozenset[str]) -> None:
    # Some providers leave the claim out; a person may be able to set an address that is false.
    if claims.get("email_verified") in {False, "false"}:
        msg = "your e-mail address is not verified at the identity provider; verify it there first"
        raise SignInRefusedError(msg)
    local, _, domain = str(claims.get(_EMAIL, "")).rpartition("@")
    if allowed_domains and not (local and domain.casefold() in allowed_domains):
        msg = "people of your organization may not sign in here; use another account"
        raise SignInRefusedError(msg)


def _to_groups(claim: object) -> list[str]:
    """Return the groups of a claim: a list of texts, or one text."""
    names = [claim] if isinstance(claim, str) else claim
    if not isinstance(names, list):
        return []
    return [name for name in names if isinstance(name, str) and name]


logger = logging.getLogger(__name__)

#: Only with a public key: with the others, whoever knows the client secret could sign.
_ALGORITHMS: Final = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip
_LEEWAY: Final = timedelta(minutes=1)
_REFUSED: Final = "the identity provider's token cannot be trusted ({why}); sign in again"


class IdTokenChecker:
    """Checks ID tokens with the provider's keys, which are cached."""

    def __init__(self, *, issuer: str, client_id: str, clock: Clock) -> None:
        """Accept tokens of `issuer` for `client_id`."""
        self._issuer = issuer
        self._client_id = client_id
        self._clock = clock
        self._keys: KeySet | None = None

    def has_key_of(self, token: str) -> bool:
        """Return whether the key is known that the token names. The token is not checked."""
        if self._keys is None:
            return False
        try:
            key_id = extract_compact(token.encode()).headers().get("kid")
        except (JoseError, ValueError):
            # `check` refuses it.
            return True
        return key_id is None or any(key.kid == key_id for key in self._keys.keys)

    def set_keys(self, keys: Mapping[str, Any]) -> None:
        """Use these keys from now on: a JSON Web Key Set.

        Raises:
            IdentityProviderUnavailableError: It is not a key set.
        """
        try:
            self._keys = KeySet.import_key_set({"keys": list(keys["keys"])})
        except (JoseError, KeyError, TypeError, ValueError) as exc:
            msg = "the identity provider cannot be used now: it has no usable keys"
            raise IdentityProviderUnavailableError(msg) from exc

    def check(self, token: str, *, nonce: str, access_token: str | None) -> Mapping[str, Any]:
        """Return the claims of `token`, which a key of the provider signed for this sign-in.

        Raises:
            SignInRefusedError: It is not such a token.
        """
        assert self._keys is not None, "the keys were set"
        registry = JWSRegistry(algorithms=_ALGORITHMS, strict_check_header=False)
        try:
            decoded = jwt.decode(token, key=self._keys, registry=registry)
            claims = CodeIDToken(
                decoded.claims,
                decoded.header,
                {
                    "iss": {"essential": True, "value": self._issuer},
                    "aud": {"essential": True, "value": self._client_id},
                },
                {"nonce": nonce, "client_id": self._client_id, "access_token": access_token},
            )
            now = int(self._clock.now().timestamp())
            claims.validate(now=now, leeway=round(_LEEWAY.total_seconds()))
        except (JoseError, ValueError, TypeError) as exc:
            why = str(exc) or type(exc).__name__
            logger.warning("ID token refused: %s", why)
            raise SignInRefusedError(_REFUSED.format(why=why)) from exc
        return dict(claims)
