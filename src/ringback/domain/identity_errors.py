"""Errors about who a person is."""

from ringback.domain.errors import FinalError, RetryableError


class NotSignedInError(FinalError):
    """Only a signed-in person may do this. A browser is sent to the sign-in page."""


class CrossSiteRequestError(FinalError):
    """A request that changes something did not come from a page of this gateway."""


class SignInRefusedError(FinalError):
    """A person could not be signed in; the message says why, and what to do."""


class UnknownSignInUrlError(FinalError):
    """The sign-in URL was used, has expired or is incomplete; ask for a new one.

    One error covers all cases, so that guessing reveals nothing.
    """


class UnknownSessionError(FinalError):
    """There is no session with this id."""


class IdentityProviderUnavailableError(RetryableError):
    """The identity provider did not reply, or replied with something unusable; sign in again."""
