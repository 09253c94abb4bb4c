/* Accept, deliver, reconcile: the protocol between senders, the store and Temporal.
 *
 * One activity with a few attempts, two gateways, two deliverers, and a worker for each attempt.
 * Each process may pause between any two steps, and may die at any step. Requests and replies may
 * be lost. One `atomic` is one transaction of the store, or one request that Temporal serves.
 *
 * Comments name the code that a block models. README.md lists what is checked, what is left out,
 * and which mistakes the names after `#ifdef` make.
 */

#ifndef ATTEMPTS
#define ATTEMPTS 2
#endif
#define ROUNDS ATTEMPTS

/* ringback.domain.callback.State. NONE: this generation does not exist yet; as a verdict: none yet. */
#define NONE 0
#define OPEN 1
#define ACCEPTED 2
#define APPLIED 3
#define SUPERSEDED 4
#define PARKED 5
#define EXPIRED 6

/* The answers of the two senders, the same in every generation: ringback.domain.outcome.Completed, and
 * ringback.domain.outcome.Failed without (RETRYABLE) or with (FINAL) `non_retryable`. */
#define COMPLETED 0
#define RETRYABLE 1
#define FINAL 2
byte kinds[2];
#define KIND(r) kinds[cb[r].answer - 1]
#define IS_FAILED(r) (KIND(r) != COMPLETED)

/* ringback.domain.ids.to_identity: a different one for each outcome. */
#define IDENTITY(r) (1 + 2 * (r) + cb[r].answer - 1)
#define ANOTHER 15 /* not an answer: a timeout, a cancellation … */

/* With RESUME the activity continues with its outcome in another attempt:
 * ringback.domain.callback.Callback.is_resumed. */

/* ---- The store. It is durable. */

/* ringback.domain.callback.Callback and ringback.domain.callback.Accepted, of one round */
typedef Round {
  unsigned state : 3;
  unsigned answer : 2;   /* whose outcome was accepted: the sender, plus 1 */
  unsigned token : 3;    /* `attempt` and `task_token`: the latest attempt that opened it */
  unsigned handed : 3;   /* `delivered_inline_attempt`, and its worker `delivered_inline_to`; 0: none */
  unsigned unproven : 3; /* `unconfirmed_attempt`; 0: none */
  unsigned untaken : 3;  /* the attempt that certainly did not end with it; 0: none */
  unsigned owner : 2;    /* the last claimer */
#ifdef RESUME
  bool submitted;        /* `submitted_at` */
  unsigned spared : 3;   /* `delivered_inline_attempt` too, from when the attempt opens it */
#endif
  unsigned fresh : 6     /* `tries`: who read the current number, as bits */
}
Round cb[ROUNDS];
byte rounds = 0;
#define LATEST (rounds - 1)

#define NOBODY 0
#if defined(LIVENESS) || defined(RESUME)
#define DELIVERER(d) (d)
#define WORKER 3
#else
/* Its lease may have expired: then the owner does not matter. */
#define DELIVERER(d) 1
#define WORKER 1
#endif
#define COPY_OF_DELIVERER(d) (1 << ((d) - 1))
#define COPY_OF_WORKER(k) (2 << (k))

/* ---- Temporal: the activity, and another one that may get its id later. */

bool is_pending = true;
byte attempt = 1;          /* the current one; in back-off the next one */
bool is_started = false;
byte last_failure = 0;     /* what ended the attempt before: an identity, ANOTHER, or 0 */
byte closed_by = 0;        /* once ended: an identity, ANOTHER, or 0: that attempt's worker */
byte closing_failure = 0;  /* what failed it, if anything: an identity, or ANOTHER */
bool is_history_full = false; /* history shows the last attempt's number and `last_failure` */
bool is_id_reused = false; /* another activity waits under the same id */

/* ---- Known only to the checks. */

byte promised[ROUNDS];      /* whose answer got a 2xx: the sender, plus 1 */
byte taken[ROUNDS];         /* how often Temporal accepted the outcome of the generation */
bool is_asleep = false;     /* the current attempt completes asynchronously */
bool is_aiming[3];          /* the deliverer has polled, and is about to send by id */
bool is_calm = false;       /* from now on no process dies, and no message is lost */
bool is_busy[4];            /* the owner is alive and works on its claim */
#ifdef RESUME
bool is_continuing = false;   /* the current attempt runs the code behind the wait */
#endif
bool is_gone[ATTEMPTS + 1]; /* the worker died before the attempt became asynchronous */

/* Used only to check liveness. */
#ifdef LIVENESS
#define NOTE(what) what
#else
#define NOTE(what) skip
#endif

/* Property 1: an answer that got a 2xx stays in the store. */
#define IS_KEPT(r) (promised[r] == cb[r].answer && cb[r].state != OPEN && cb[r].state != EXPIRED)
inline check_promise(r) {
  assert(promised[r] == 0 || IS_KEPT(r))
}

/* Properties 2 and 4: Temporal accepts the outcome of a generation once, and it is the stored one; what
 * was called superseded is not taken later. */
inline check_taking(r, who) {
  assert(taken[r] == 0);
  assert(who == cb[r].answer);
  assert(cb[r].state != SUPERSEDED && cb[r].state != EXPIRED && cb[r].state != OPEN);
  taken[r]++
}

/* Properties 3 and 4: there is one verdict, and it is true. */
inline check_verdict(r, verdict) {
  assert(cb[r].state == ACCEPTED);
  assert(verdict != APPLIED || taken[r] == 1);
  assert(verdict != SUPERSEDED || taken[r] == 0)
}

/* Property 6: no attempt waits for a settled callback. */
inline check_sleep() {
  assert(!is_asleep || cb[LATEST].state == OPEN || cb[LATEST].state == ACCEPTED)
}

/* Property 7: an attempt that continued with the outcome is not ended to continue with it. */
inline check_resuming() {
  assert(!is_continuing)
}

/* ---- Temporal's own rules, as tests/integration/facts observes them. */

#ifdef RESUME
#define STOPS_CONTINUING is_continuing = false
#else
#define STOPS_CONTINUING skip
#endif
inline end_activity(closer, failure, is_full) {
  is_pending = false; is_asleep = false; STOPS_CONTINUING;
  closed_by = closer; closing_failure = failure; is_history_full = is_full && is_started;
  if
  :: !is_history_full -> last_failure = 0
  :: else
  fi
}

/* The attempt has ended with a retryable failure; it is retried if an attempt is left. */
inline retry(failure, closer) {
  if
  :: attempt < ATTEMPTS ->
     attempt++; is_started = false; is_asleep = false; STOPS_CONTINUING; last_failure = failure
  :: else -> end_activity(closer, failure, true)
  fi
}

/* The outcome ends the attempt, or the activity, with the identity `closer`. */
inline end_with_answer(r, closer) {
  check_taking(r, cb[r].answer);
  if
  :: KIND(r) == RETRYABLE -> retry(IDENTITY(r), closer)
  :: KIND(r) == FINAL -> end_activity(closer, IDENTITY(r), true)
  :: else -> end_activity(closer, 0, true)
  fi
}

/* The end of the code behind the wait: it returns a result of its own, fails, or raises the outcome,
 * which is final. */
inline end_behind_the_wait(r) {
  if
  :: end_activity(0, 0, true)
  :: retry(ANOTHER, 0)
  :: KIND(r) == RETRYABLE -> retry(IDENTITY(r), 0)
  :: KIND(r) == FINAL -> end_activity(0, IDENTITY(r), true)
  fi
}

/* A token is valid for its attempt while that runs; an id for what waits, a result also between two
 * attempts. */
#define IS_TOKEN_GOOD(k) (is_pending && is_started && attempt == (k))
#define IS_ID_GOOD(r) (is_started || KIND(r) == COMPLETED)

/* ---- ringback.store.sql_store.SqlStore: each is one transaction. */

/* ringback.store.callbacks.SqlCallbacks.open, ringback.domain.opening.find_or_create,
 * ringback.domain.opening.needs_new_callback: a new generation if the latest is settled.
 * The latest attempt that opens it leaves its token. */
#define IS_OVER(r) (cb[r].state == APPLIED || cb[r].state == SUPERSEDED)
#define IS_WAITING(r) (cb[r].state == OPEN || cb[r].state == ACCEPTED)
#ifdef PARKED_HOLDS_UP
#define IS_PASSED_BY(r, k) false
#else
#define IS_PASSED_BY(r, k) (cb[r].state == PARKED && KIND(r) == RETRYABLE && k > cb[r].unproven)
#endif
#ifdef RESUME
/* ringback.domain.opening._is_asked_again: a final failure may have been caught. */
#define IS_ASKED_AGAIN(r) (IS_FAILED(r) && (KIND(r) == RETRYABLE || cb[r].state != APPLIED))
#else
#define IS_ASKED_AGAIN(r) IS_FAILED(r)
#endif
#define ASKS_ANEW(k) (rounds == 0 || cb[LATEST].state == EXPIRED || IS_PASSED_BY(LATEST, k) || \
  (IS_OVER(LATEST) && IS_ASKED_AGAIN(LATEST)))
#if defined(RESUME) && !defined(SPARES_LATE)
/* It receives the outcome, so no deliverer ends it from here on. */
#define SPARE(r, k) cb[r].spared = (cb[r].state == ACCEPTED -> k : cb[r].spared)
#else
#define SPARE(r, k) skip
#endif
inline store_open(k) {
  if
  :: ASKS_ANEW(k) ->
     assert(rounds < ROUNDS);
     cb[rounds].state = OPEN; cb[rounds].token = k;
     rounds++
  :: !ASKS_ANEW(k) && cb[LATEST].token < k && IS_WAITING(LATEST) ->
     cb[LATEST].token = k;
     SPARE(LATEST, k)
  :: else
  fi
}

/* ringback.store.answers.SqlAnswers.accept: the first outcome wins; an expired callback takes
 * none. */
#ifdef SECOND_WINS
#define CAN_ACCEPT(r) (cb[r].state == OPEN || cb[r].state == ACCEPTED)
#else
#define CAN_ACCEPT(r) (cb[r].state == OPEN)
#endif
inline store_accept(r, who) {
  if
  :: CAN_ACCEPT(r) -> cb[r].state = ACCEPTED; cb[r].answer = who
  :: else
  fi;
  check_promise(r)
}

/* ringback.store.callbacks.SqlCallbacks.expire: only a callback without an outcome. */
#ifdef EXPIRE_ANSWERED
#define IS_EXPIRABLE(r) (cb[r].state == OPEN || cb[r].state == ACCEPTED)
#else
#define IS_EXPIRABLE(r) (cb[r].state == OPEN)
#endif
inline store_expire(r) {
  cb[r].state = EXPIRED; cb[r].token = 0;
  check_promise(r); check_sleep()
}

/* A lease may expire at any time. Once it is calm, it lasts while its owner works. */
#ifdef LEASE_FOR_EVER
#define MAY_LEASE_BE_OUT(r) (cb[r].owner == NOBODY)
#else
#define MAY_LEASE_BE_OUT(r) (cb[r].owner == NOBODY || !is_calm || !is_busy[cb[r].owner])
#endif

/* ringback.store.deliveries.SqlDeliveries.claim. Only a RETRYABLE uses `unproven`. */
#define IS_DUE(r) (cb[r].state == ACCEPTED && MAY_LEASE_BE_OUT(r))
inline store_claim(r, d) {
  cb[r].owner = DELIVERER(d); cb[r].fresh = COPY_OF_DELIVERER(d);
  if
  :: KIND(r) == RETRYABLE && cb[r].unproven == 0 && cb[r].untaken != cb[r].token ->
     cb[r].unproven = cb[r].token
  :: else
  fi
}

/* ringback.store.deliveries.SqlDeliveries.deliver_inline: to the latest attempt, and not while
 * a deliverer is at work. */
#ifdef HAND_BACK
#define ASKED_LAST(r, k) true
#else
#define ASKED_LAST(r, k) (cb[r].token == k)
#endif
#define IS_FREE(r, k) (MAY_LEASE_BE_OUT(r) || (cb[r].owner == WORKER && cb[r].handed < k))
#define MAY_BE_HANDED_OVER(r, k) (cb[r].state == ACCEPTED && ASKED_LAST(r, k) && IS_FREE(r, k))
inline store_deliver_inline(r, k) {
  cb[r].owner = WORKER; cb[r].fresh = 0; cb[r].handed = k;
#ifdef RESUME
  cb[r].spared = k;
#endif
  if
  :: KIND(r) == RETRYABLE -> cb[r].unproven = k
  :: else
  fi
}

/* ringback.store.verdicts.SqlVerdicts.settle: the first verdict counts, and only that of the
 * latest try. Of a settled outcome nobody reads the rest: zeros keep the states few. */
#ifdef SETTLE_UNFENCED
#define MAY_SETTLE(r, copy) true
#else
#define MAY_SETTLE(r, copy) ((cb[r].fresh & (copy)) != 0)
#endif
#ifdef SETTLE_TWICE
#define IS_UNSETTLED(r) true
#else
#define IS_UNSETTLED(r) (cb[r].state == ACCEPTED)
#endif
inline store_settle(r, copy, verdict) {
  if
  :: IS_UNSETTLED(r) && MAY_SETTLE(r, copy) ->
     check_verdict(r, verdict);
     cb[r].state = verdict;
     cb[r].token = 0; cb[r].handed = 0; cb[r].untaken = 0; cb[r].owner = NOBODY;
#ifdef RESUME
     cb[r].spared = 0;
#endif
     if
     :: verdict != PARKED -> cb[r].unproven = 0
     :: else
     fi;
#ifndef SETTLE_TWICE
     cb[r].fresh = 0;
#endif
     check_promise(r); check_sleep()
  :: else
  fi
}

/* ringback.store.deliveries.SqlDeliveries.postpone. An outcome that was not applied counts as a try: copies
 * from before it are void. */
#ifdef POSTPONE_UNFENCED
#define MAY_POSTPONE(r, copy) (cb[r].state == ACCEPTED)
#else
#define MAY_POSTPONE(r, copy) (cb[r].state == ACCEPTED && (cb[r].fresh & (copy)) != 0)
#endif
inline store_postpone(r, copy, is_not_applied) {
  if
  :: MAY_POSTPONE(r, copy) ->
     cb[r].owner = NOBODY;
#ifndef UNTAKEN_IS_NO_TRY
     if
     :: is_not_applied -> cb[r].fresh = 0
     :: else
     fi;
#endif
     if
     :: is_not_applied && cb[r].unproven != 0 -> cb[r].untaken = cb[r].unproven; cb[r].unproven = 0
     :: else
     fi
  :: else
  fi
}

#ifdef UNTAKEN_UNSEEN
#define CALLS_IT_UNTAKEN true
#else
#define CALLS_IT_UNTAKEN false
#endif

/* ---- ringback.core.verdicts */

/* ringback.core.verdicts.may_send_by_token: a failure that was tried before may have ended the
 * attempt already. */
#ifdef UNSEEN_TOKEN
#define FITS_THE_TOKEN(r, is_first_try) true
#else
#define FITS_THE_TOKEN(r, is_first_try) (KIND(r) != RETRYABLE || is_first_try)
#endif

/* ringback.core.delivery_failures.is_failure_of: the failure is signed, whether it was delivered or raised. */
#ifdef UNSIGNED_FAILURE
#define IS_ITS_FAILURE(r) false
#else
#define IS_ITS_FAILURE(r) (last_failure == IDENTITY(r))
#endif

/* A retryable failure may have ended an attempt, and Temporal no longer shows how that one ended. */
#ifdef NO_MARK
#define IS_IN_DOUBT(r, unproven_, is_shown) false
#else
#define IS_IN_DOUBT(r, unproven_, is_shown) (KIND(r) == RETRYABLE && unproven_ != 0 && !(is_shown))
#endif

/* ringback.core.verdicts._judge_pending, ringback.core.verdicts._has_ended_attempt,
 * ringback.core.verdicts._may_have_ended_attempt */
#define STILL_RUNS(k) (is_started && (k) == attempt)
inline judge_pending(r, handed_, unproven_, verdict) {
  if
  :: attempt > handed_ && IS_ITS_FAILURE(r) -> verdict = APPLIED
  :: !(attempt > handed_ && IS_ITS_FAILURE(r)) &&
     IS_IN_DOUBT(r, unproven_, STILL_RUNS(unproven_) || unproven_ + 1 == attempt) ->
     verdict = PARKED
  :: else -> verdict = NONE
  fi
}

/* ringback.core.verdicts._verdict_of_end, ringback.core.verdicts._is_inline_end: history shows who
 * closed the activity and, if it was an attempt that ended, its number and what ended the one
 * before. */
#ifdef ANY_FAILURE_OF_ITS_WORKER
#define IS_HANDED_END(r, handed_) (handed_ == attempt && (closing_failure != 0) == IS_FAILED(r))
#else
#define IS_HANDED_END(r, handed_) (handed_ == attempt && \
  closing_failure == (IS_FAILED(r) -> IDENTITY(r) : 0))
#endif
#ifdef BLIND_AT_THE_END
#define IS_IN_DOUBT_AT_THE_END(r, unproven_) false
#else
#define IS_IN_DOUBT_AT_THE_END(r, unproven_) IS_IN_DOUBT(r, unproven_, is_history_full && \
  (unproven_ == attempt || unproven_ + 1 == attempt))
#endif
inline judge_end(r, handed_, unproven_, verdict) {
  if
  :: closed_by == IDENTITY(r) -> verdict = APPLIED
  :: closed_by == 0 && IS_HANDED_END(r, handed_) -> verdict = APPLIED
  :: else ->
     if
     :: IS_ITS_FAILURE(r) -> verdict = APPLIED
     :: !IS_ITS_FAILURE(r) && IS_IN_DOUBT_AT_THE_END(r, unproven_) -> verdict = PARKED
     :: else -> verdict = SUPERSEDED
     fi
  fi
}

/* ringback.core.verdicts.judge, of what ringback.core.verdicts.resolve found */
inline judge(r, handed_, unproven_, verdict) {
  if
#ifdef NO_IDENTITY
  :: true -> verdict = SUPERSEDED
#else
#ifdef RESUME
  /* Nothing ends with the outcome: an attempt that continues with it reports that. */
  :: is_pending -> verdict = NONE
  :: else -> verdict = SUPERSEDED
#else
  :: is_pending -> judge_pending(r, handed_, unproven_, verdict)
  :: else -> judge_end(r, handed_, unproven_, verdict)
#endif
#endif
  fi
}

/* ---- The processes. */

inline any_round(r) {
  if
  :: r = 0
  :: rounds > 1 -> r = 1
#if ROUNDS > 2
  :: rounds > 2 -> r = 2
#endif
  fi
}

inline any_due_round(r) {
  if
  :: IS_DUE(0) -> r = 0
  :: IS_DUE(1) -> r = 1
#if ROUNDS > 2
  :: IS_DUE(2) -> r = 2
#endif
  fi
}

/* A sender and a gateway: ringback.gateway.api.routers.links, ringback.core.answers.AnswerService.accept.
 * Any sender answers any round, any number of times: that is every retry after a lost reply, every
 * duplicate, every answer that differs and every late one. A gateway that dies before the commit
 * has done nothing; where it dies after it, or the reply is lost, the sender sends again. That a
 * 2xx arrives is the worst case, so it always does. */
proctype Gateway() {
  byte r, who;
end_listening:
  do
  :: atomic {
       rounds > 0 ->
       any_round(r);
       if
       :: who = 1
       :: who = 2
       fi;
#ifdef REPLY_BEFORE_COMMIT
       promised[r] = who;
       if
       :: store_accept(r, who)
       :: check_promise(r) /* it dies before the reply */
       fi;
#else
       store_accept(r, who);
       if
       :: cb[r].answer == who -> promised[r] = who /* it was accepted, or it is the same again: 2xx */
       :: else                                     /* 409 or 410 */
       fi;
#endif
       r = 0; who = 0
     }
  od
}

inline forget_the_copy() {
  token = 0; handed = 0; unproven = 0; is_first_try = false
}

inline rest(d) {
  NOTE(is_busy[DELIVERER(d)] = false);
#ifndef SETTLE_TWICE
  cb[r].fresh = cb[r].fresh & (63 - COPY_OF_DELIVERER(d));
#endif
  forget_the_copy(); r = 0; verdict = NONE;
  goto end_resting
}

/* ringback.core.delivery.Deliverer._end: Temporal accepts it. The reply arrives, or is lost, or finds
 * nobody. */
inline send(r, d) {
  end_with_answer(r, IDENTITY(r));
  forget_the_copy();
  if
  :: verdict = APPLIED; goto settling
  :: !is_calm -> goto postponing
  :: !is_calm -> rest(d)
  fi
}

#ifdef RESUMES_WHAT_RUNS
#define TO_BE_SPARED(k) 7
#else
#define TO_BE_SPARED(k) (k)
#endif
#define WAITS_TO_RESUME(r) (IS_TOKEN_GOOD(token) && cb[r].submitted && handed != TO_BE_SPARED(token))

#ifdef RESUME
#define SPARED(r) cb[r].spared
#else
#define SPARED(r) cb[r].handed
#endif

/* ringback.core.delivery.Deliverer: claims, sends, settles. */
proctype Deliverer(byte d) {
  byte r, token, handed, unproven, verdict;
  bool is_first_try;
end_resting:
  atomic { /* ringback.core.delivery.Deliverer._start_as_many_as_fit */
    any_due_round(r);
    is_first_try = cb[r].unproven == 0 && cb[r].untaken == 0;
    store_claim(r, d);
    token = cb[r].token; handed = SPARED(r); unproven = cb[r].unproven;
    NOTE(is_busy[DELIVERER(d)] = true)
  }
#ifdef BY_ID_BLIND
  goto sending_by_id;
#endif
#ifdef RESUME
  atomic { /* ringback.core.delivery.Deliverer._resume, ringback.core.resume.waits_to_resume */
    judge(r, handed, unproven, verdict);
    if
    :: !is_calm -> rest(d) /* it dies */
    :: !is_calm -> forget_the_copy(); goto postponing /* the request is lost */
    :: verdict != NONE -> forget_the_copy(); goto settling
    :: verdict == NONE && WAITS_TO_RESUME(r)
    :: verdict == NONE && !WAITS_TO_RESUME(r) -> forget_the_copy(); goto postponing_as_untaken
    fi
  }
  atomic { /* ringback.ports.activities.Activities.deliver_to_attempt, after the look */
    if
    :: !is_calm -> rest(d)
    :: !is_calm -> forget_the_copy(); goto postponing
    :: IS_TOKEN_GOOD(token) ->
       check_resuming();
       retry(ANOTHER, ANOTHER);
       token = 0;
       if
       :: goto looking_again
       :: !is_calm -> forget_the_copy(); goto postponing
       :: !is_calm -> rest(d)
       fi
    :: !IS_TOKEN_GOOD(token) -> token = 0; goto looking_again
    fi
  }
#endif
  atomic { /* ringback.core.delivery.Deliverer._send: by the token first, where it fits */
    if
    :: !is_calm -> rest(d) /* it dies */
    :: !is_calm -> forget_the_copy(); goto postponing /* the request is lost */
    :: IS_TOKEN_GOOD(token) && FITS_THE_TOKEN(r, is_first_try) -> send(r, d)
    :: !(IS_TOKEN_GOOD(token) && FITS_THE_TOKEN(r, is_first_try)) ->
       /* ringback.core.delivery.Deliverer._resolve_and_send. An invalid token stays invalid: so
        * NOT_FOUND and the look may be one step. */
       judge(r, handed, unproven, verdict);
       /* ringback.core.verdicts.may_be_delivered, ringback.core.verdicts.is_attempt_of_token */
       if
       :: verdict != NONE -> forget_the_copy(); goto settling
       :: verdict == NONE && IS_TOKEN_GOOD(token)
       :: verdict == NONE && !IS_TOKEN_GOOD(token) && KIND(r) == COMPLETED ->
          is_aiming[d] = true; goto sending_by_id
       :: else -> forget_the_copy(); goto postponing_as_untaken
       fi
    fi
  }
  atomic { /* ringback.ports.activities.Activities.deliver_to_attempt, after the poll */
    if
    :: !is_calm -> rest(d)
    :: !is_calm -> forget_the_copy(); goto postponing
    :: IS_TOKEN_GOOD(token) -> send(r, d)
    :: !IS_TOKEN_GOOD(token) -> token = 0; goto looking_again
    fi
  }
sending_by_id: /* ringback.ports.activities.Activities.deliver: it reaches what has the id now */
  atomic {
    is_aiming[d] = false; token = 0; is_first_try = false;
    if
    :: !is_calm -> rest(d)
    :: !is_calm -> forget_the_copy(); goto postponing
    :: is_pending && IS_ID_GOOD(r) -> send(r, d)
    :: is_pending && !IS_ID_GOOD(r) -> goto looking_again
    :: !is_pending && !is_id_reused -> goto looking_again
    :: !is_pending && is_id_reused -> assert(false) /* property 5: another activity was affected */
    fi
  }
looking_again: /* NOT_FOUND, after a poll */
  atomic {
    judge(r, handed, unproven, verdict);
    forget_the_copy();
    if
    :: verdict != NONE -> goto settling
    :: else -> goto postponing_as_untaken
    fi
  }
settling: /* ringback.ports.deliveries.DeliveryQueue.settle */
  atomic { store_settle(r, COPY_OF_DELIVERER(d), verdict); rest(d) }
postponing_as_untaken: /* ringback.ports.deliveries.DeliveryQueue.postpone, `is_not_applied` */
  atomic { store_postpone(r, COPY_OF_DELIVERER(d), true); rest(d) }
postponing: /* ringback.ports.deliveries.DeliveryQueue.postpone: it may have been applied */
  atomic { store_postpone(r, COPY_OF_DELIVERER(d), CALLS_IT_UNTAKEN); rest(d) }
}

/* No activity runs in the worker any more. */
inline leave(k) {
  if
  :: rounds > 0 -> cb[r].fresh = cb[r].fresh & (63 - COPY_OF_WORKER(k))
  :: else
  fi;
  r = 0; handed = 0; unproven = 0; verdict = NONE; has_looked = false;
#ifdef RESUME
  NOTE(is_busy[WORKER] = is_busy[WORKER] && cb[LATEST].handed != k);
#endif
  goto over
}

/* The attempt becomes asynchronous. */
inline fall_asleep(k) {
#ifdef RESUME
  cb[r].submitted = true;
#endif
  is_asleep = is_asleep || IS_TOKEN_GOOD(k);
  check_sleep();
  leave(k)
}

/* The worker dies, or the attempt fails by itself: the store or Temporal is unavailable. */
inline may_go_wrong(k) {
  if
  :: !is_calm -> NOTE(is_gone[k] = true); leave(k)
  :: !is_calm && IS_TOKEN_GOOD(k) -> retry(ANOTHER, 0); leave(k)
  :: true
  fi
}

#ifdef RESUME
#define GOES_ON continuing
#else
#define GOES_ON ending
#endif

/* ringback.core.opening._find_doubtful_failure: it may have ended an attempt before this one. */
#if defined(TAKES_UNSEEN)
#define IS_LOOKED_AFTER(r, k) false
#elif defined(SPEAKS_FOR_LATER)
#define IS_LOOKED_AFTER(r, k) (cb[r].unproven != 0 && cb[r].unproven != k && !has_looked)
#elif defined(RESUME)
#define IS_LOOKED_AFTER(r, k) false
#else
#define IS_LOOKED_AFTER(r, k) (cb[r].unproven != 0 && cb[r].unproven < k && !has_looked)
#endif

/* The worker of one attempt: ringback.worker.wait.wait_for_callback, ringback.core.opening.CallbackOpener.
 * It may stand still until long after its attempt. The submit is left out: the callback is
 * committed before it, so that an answer may come from then on. */
proctype Worker(byte k) {
  byte r, handed, unproven, verdict;
  bool has_looked;
end_polling:
  atomic { is_pending && attempt == k && !is_started -> is_started = true }
opening: /* ringback.core.opening.CallbackOpener.open */
  atomic {
    may_go_wrong(k);
    store_open(k);
    r = LATEST;
    if
    :: cb[r].state == ACCEPTED && IS_LOOKED_AFTER(r, k) ->
       handed = cb[r].handed; unproven = cb[r].unproven;
       cb[r].fresh = cb[r].fresh | COPY_OF_WORKER(k)
    :: cb[r].state == ACCEPTED && !IS_LOOKED_AFTER(r, k) -> goto taking
    :: IS_OVER(r) -> goto GOES_ON
#ifdef RESUME
    :: !(cb[r].state == ACCEPTED) && !IS_OVER(r) && k == ATTEMPTS ->
       /* ringback.worker.activity_function.check_next_attempt: no attempt would be left */
       if
       :: IS_TOKEN_GOOD(k) -> end_activity(0, ANOTHER, true)
       :: else
       fi;
       leave(k)
    :: !(cb[r].state == ACCEPTED) && !IS_OVER(r) && k < ATTEMPTS -> fall_asleep(k)
#else
    :: else -> fall_asleep(k)
#endif
    fi
  }
  atomic { /* ringback.core.opening.CallbackOpener._is_not_applied: how did the earlier attempts end? */
    may_go_wrong(k);
    judge(r, handed, unproven, verdict);
    handed = 0; unproven = 0;
    if
    :: verdict != NONE -> goto settling
    :: verdict == NONE
    fi
  }
  atomic { /* ringback.core.opening.CallbackOpener._is_not_applied: this attempt may take it */
    may_go_wrong(k);
    store_postpone(r, COPY_OF_WORKER(k), true);
    goto taking
  }
settling: /* ringback.core.opening.CallbackOpener._is_not_applied: the verdict, and open once more */
  atomic {
    may_go_wrong(k);
    store_settle(r, COPY_OF_WORKER(k), verdict);
    verdict = NONE;
#ifdef LOOKS_ONCE
    has_looked = true;
#endif
    if
#ifdef OPENS_ONCE
    :: is_pending -> fall_asleep(k)
#else
    :: is_pending -> goto opening
#endif
#ifdef TAKES_AFTER_THE_END
    :: !is_pending -> goto taking
#else
    :: !is_pending -> leave(k)
#endif
    fi
  }
taking: /* ringback.core.opening.CallbackOpener.deliver_inline */
  atomic {
    cb[r].fresh = cb[r].fresh & (63 - COPY_OF_WORKER(k));
    may_go_wrong(k);
    if
    :: MAY_BE_HANDED_OVER(r, k) ->
       store_deliver_inline(r, k);
        NOTE(is_busy[WORKER] = true)
#ifdef RESUME
    :: IS_TOKEN_GOOD(k) -> retry(ANOTHER, ANOTHER); leave(k) /* it has waited in vain */
    :: !IS_TOKEN_GOOD(k) -> leave(k)
#else
    :: !MAY_BE_HANDED_OVER(r, k) || cb[r].owner != NOBODY -> fall_asleep(k)
#endif
    fi
  }
#ifdef RESUME
#ifndef CONTINUES_UNCONFIRMED
confirming: /* ringback.core.resume.Resumption.confirm: does the attempt still run? */
  atomic {
    may_go_wrong(k);
    if
    :: IS_TOKEN_GOOD(k) && cb[r].token == k && cb[r].state == ACCEPTED ->
       cb[r].fresh = cb[r].fresh | COPY_OF_WORKER(k)
    :: else ->
       if
       :: IS_TOKEN_GOOD(k) -> retry(ANOTHER, ANOTHER) /* it fails */
       :: else
       fi;
       leave(k)
    fi
  }
  atomic { /* ringback.ports.deliveries.DeliveryQueue.settle: ignored if a delivery began meanwhile */
    may_go_wrong(k);
    if
    :: IS_UNSETTLED(r) && MAY_SETTLE(r, COPY_OF_WORKER(k)) ->
       check_taking(r, cb[r].answer);
       store_settle(r, COPY_OF_WORKER(k), APPLIED)
    :: !(IS_UNSETTLED(r) && MAY_SETTLE(r, COPY_OF_WORKER(k))) ->
       /* It tries again, RESUME_TRIES times, and then fails. Here once is enough. */
       if
       :: cb[r].state == APPLIED
       :: cb[r].state != APPLIED && IS_TOKEN_GOOD(k) -> retry(ANOTHER, ANOTHER); leave(k)
       :: else -> leave(k)
       fi
    fi
  }
#else
  atomic { taken[r]++ }
#endif
continuing: /* the code behind the wait */
  atomic { is_continuing = IS_TOKEN_GOOD(k) }
#endif
ending: /* ringback.worker.answer.return_or_raise */
  atomic {
    NOTE(is_busy[WORKER] = false);
    if
#ifdef RESUME
    :: IS_TOKEN_GOOD(k) -> end_behind_the_wait(r)
#else
    :: IS_TOKEN_GOOD(k) -> end_with_answer(r, 0)
    :: !is_calm && IS_TOKEN_GOOD(k) -> retry(ANOTHER, 0) /* the gateway's reply was lost */
#endif
    :: !IS_TOKEN_GOOD(k)
    :: !is_calm -> NOTE(is_gone[k] = true)
    fi;
    leave(k)
  }
over:
  skip
}

/* ringback.core.activity_poller.ActivityPoller, ringback.core.activity_poller.ActivityChecker. What has ended stays so: the look
 * and the transaction may be one step. */
proctype ActivityPoller() {
end:
  do
  :: atomic { !is_pending && IS_EXPIRABLE(0) -> store_expire(0) }
  :: atomic { !is_pending && IS_EXPIRABLE(1) -> store_expire(1) }
#if ROUNDS > 2
  :: atomic { !is_pending && IS_EXPIRABLE(2) -> store_expire(2) }
#endif
  od
}

/* Temporal and whoever else acts on the workflow. All of this may also never happen. */
#ifdef ID_GAP
#define MAY_REUSE_ID true
#else
#define MAY_REUSE_ID (!is_aiming[1] && !is_aiming[2])
#endif
proctype Others() {
end:
  do
  :: atomic { is_pending && is_started -> retry(ANOTHER, ANOTHER) } /* a timeout */
  :: atomic { is_pending -> end_activity(ANOTHER, 0, true) } /* it is canceled */
  :: atomic { is_pending -> end_activity(ANOTHER, 0, false) } /* the workflow closes over it */
  :: atomic { !is_pending && !is_id_reused && MAY_REUSE_ID -> is_id_reused = true }
#ifdef LIVENESS
  :: break
#endif
  od
}

/* Temporal: an attempt whose worker died does time out. */
proctype Timer() {
end:
  do
  :: atomic { is_pending && is_started && is_gone[attempt] -> retry(ANOTHER, ANOTHER) }
  od
}

proctype Calm() { is_calm = true }

init {
  atomic {
    kinds[0] = COMPLETED;
    if
    :: kinds[1] = RETRYABLE
    :: kinds[1] = FINAL
    fi;
    run Gateway(); run Gateway();
    run Deliverer(1); run Deliverer(2);
    run Worker(1); run Worker(2);
#if ATTEMPTS > 2
    run Worker(3);
#endif
#ifdef LIVENESS
    run Timer(); run Calm();
#endif
    run ActivityPoller(); run Others()
  }
}

#ifdef LIVENESS
#define WAITS(r) (cb[r].state == ACCEPTED)
#if ROUNDS > 2
#define SOME_WAITS (WAITS(0) || WAITS(1) || WAITS(2))
#else
#define SOME_WAITS (WAITS(0) || WAITS(1))
#endif
/* Property 3: every accepted outcome reaches its verdict. Rounds are few, and none is accepted
 * twice: so it is enough that again and again none waits. */
ltl every_outcome_is_settled { [] <> ! SOME_WAITS }
#endif
