"""Open callbacks for workers: identify an attempt, open its callback, say what it does next."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from ringback.core.body_encryption import BodyEncryption
from ringback.core.opening import CallbackOpener
from ringback.domain.callback import Accepted, Callback
from ringback.domain.errors import WrongResultError
from ringback.domain.ids import CallbackId
from ringback.domain.link import link_expires_at
from ringback.domain.opening import Next, OpenRequest, next_of
from ringback.domain.options import CallbackOptions
from ringback.domain.outcome import Completed
from ringback.domain.vote_body import to_default_schema
from ringback.ports.activities import AttemptRef, Identifier
from ringback.ports.results import ResultChecker


@dataclass(frozen=True, slots=True)
class OpenReply:
    """The reply to a worker.

    Attributes:
        callback: The callback, committed.
        next: What its attempt does next.
        answer: The accepted answer, if any.
    """

    callback: Callback
    next: Next
    answer: Accepted | None


class OpenService:
    """Opens callbacks for workers."""

    def __init__(
        self,
        opener: CallbackOpener,
        identifier: Identifier,
        results: ResultChecker,
        *,
        new_callback_id: Callable[[], CallbackId],
        key_id: str,
        bodies: BodyEncryption | None = None,
    ) -> None:
        """Open callbacks with `opener`; `key_id` signs their links.

        `bodies` encrypts default answers before they are stored, and decrypts answers.
        """
        self._bodies = bodies
        self._opener = opener
        self._identifier = identifier
        self._results = results
        self._new_callback_id = new_callback_id
        self._key_id = key_id

    async def open(
        self,
        named: AttemptRef,
        options: CallbackOptions,
        *,
        result_schema: str | None = None,
        worker: str | None = None,
        traceparent: str | None = None,
    ) -> OpenReply:
        """Return the callback of the running activity that `named` names, committed.

        All attempts of the activity get the same callback.

        An accepted answer is delivered inline to an attempt that names its `worker`: the identity
        in history proves whether the attempt ended with the answer. For any other attempt, the
        deliverer delivers it, by the attempt's token.

        Raises:
            ActivityGoneError: The attempt no longer runs.
            MalformedRequestError: The task token is invalid, or belongs to another attempt.
            WrongResultError: The default answer is not what the activity returns.
            AliasInUseError: Another callback that has not ended has one of the aliases.
            EncodingError: The user's codec does not encrypt or decrypt a body now; retry.
            RefusedByTemporalError: Temporal does not know the namespace.
            TemporalUnreachableError: Temporal does not reply; retry.
            StoreUnavailableError: The callback could not be stored; retry.
        """
        await self._check_default(options, result_schema)
        attempt = await self._identifier.identify(named)
        if attempt.ref.is_standalone:
            options = replace(options, follow_reset=False)
        request = OpenRequest(
            self._new_callback_id(),
            attempt,
            self._key_id,
            link_expires_at(attempt.ref.scheduled_at, attempt.schedule_to_close),
            options=options,
            result_schema=result_schema,
            traceparent=traceparent,
        )
        callback = await self._opener.open(await self._encrypt_default(request))
        # Before the claim: nobody else delivers a claimed answer for a while.
        answer = await self._decrypt_answer(callback)
        is_inline = worker is not None and await self._opener.deliver_inline(
            callback, attempt.started_at, worker=worker
        )
        return OpenReply(callback, Next.RETURN if is_inline else next_of(callback), answer)

    async def _encrypt_default(self, request: OpenRequest) -> OpenRequest:
        default = request.options.on_deadline
        if self._bodies is None or default is None:
            return request
        encrypted = await self._bodies.encrypt(request.terms, default)
        return replace(request, options=replace(request.options, on_deadline=encrypted))

    async def _decrypt_answer(self, callback: Callback) -> Accepted | None:
        return callback.accepted if self._bodies is None else await self._bodies.decrypt(callback)

    async def _check_default(self, options: CallbackOptions, result_schema: str | None) -> None:
        default = options.on_deadline
        schema = to_default_schema(options.policy, result_schema)
        if schema is None or not isinstance(default, Completed):
            return
        problems = await self._results.problems(schema, default.result)
        if problems:
            raise WrongResultError(problems)
