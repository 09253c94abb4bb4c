"""The command that prints what the receivers of webhooks need."""

import json

from ringback.app.credentials import load_webhook_secrets
from ringback.cli.params import AsJson
from ringback.domain.errors import ConfigurationError
from ringback.notify.signature import from_secret
from ringback.settings import load_settings


def webhook_secret(as_json: AsJson = False) -> None:
    """Print the secret that signs webhooks.

    Their receivers need it. Several secrets are printed one per line; each of them signs.
    """
    texts = [from_secret(secret) for secret in load_webhook_secrets(load_settings())]
    if not texts:
        msg = "no webhook secret is set: set RINGBACK_WEBHOOK_SECRETS (see the settings)"
        raise ConfigurationError(msg)
    print(json.dumps({"secrets": texts}) if as_json else "\n".join(texts))
