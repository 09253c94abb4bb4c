"""Requests and replies about sign-in URLs and sessions."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field, model_validator

from ringback.domain.person import (
    MOST_GROUPS,
    SIGN_IN_URL_LIFETIME,
    Person,
    ProofSource,
    new_person,
)
from ringback.domain.text_checks import LONGEST_NAME
from ringback.schemas.values import Duration, Name

ShortName = Annotated[Name, Field(max_length=LONGEST_NAME)]


class SignInUrlIn(BaseModel, extra="forbid"):
    """A request for a one-time sign-in URL."""

    user: ShortName = Field(description="The user, as assignees name them.")
    name: ShortName | None = Field(None, description="The name to show.")
    groups: list[ShortName] = Field(
        [], max_length=MOST_GROUPS, description="The groups of the user."
    )
    admin: bool = Field(
        default=False,
        strict=True,
        description="Whether the person sees and manages the callbacks of everybody.",
    )
    good_for: Duration = Field(
        SIGN_IN_URL_LIFETIME, alias="for", description="How long the URL can be used, from now."
    )

    @model_validator(mode="after")
    def _is_person(self) -> Self:
        self.to_person()
        return self

    def to_person(self) -> Person:
        """Return the person who signs in with the URL.

        Raises:
            ValueError: A name cannot be used.
        """
        return new_person(
            self.user,
            name=self.name,
            groups=self.groups,
            is_admin=self.admin,
            proof_source=ProofSource.ONE_TIME_URL,
        )


class SignInUrlOut(BaseModel):
    """A one-time sign-in URL. It is a credential: whoever opens it first becomes the user."""

    url: str = Field(repr=False, examples=["https://ring.example/sign-in/once/…"])
    user: str = Field(examples=["ada@example.org"])
    expires_at: datetime


class SessionOut(BaseModel):
    """A session of a person."""

    id: str = Field(examples=["se_0dj0q6nk5g1e2b3a4c5d6e7f8g"])
    user: str = Field(examples=["ada@example.org"])
    name: str = Field(examples=["Ada Lovelace"])
    groups: list[str] = Field(examples=[["finance"]])
    admin: bool
    signed_in_by: str = Field(
        description="one-time URL or OpenID Connect.", examples=["OpenID Connect"]
    )
    user_agent: str = Field(description="The browser, as it describes itself.")
    created_at: datetime
    seen_at: datetime = Field(description="The last use, to a few minutes.")
    expires_at: datetime
    revoked_at: datetime | None


class SessionsOut(BaseModel):
    """Sessions, the newest first."""

    sessions: list[SessionOut]


class RevokedOut(BaseModel):
    """How many sessions were revoked."""

    revoked: int
