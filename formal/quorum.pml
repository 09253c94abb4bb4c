/* Votes: two people must approve, and one may veto. Their votes race with withdrawals, with a
 * reassignment to a third person, with the default answer at the deadline, with gateways that die
 * between commit and reply, and with requests that arrive after their sender has repeated them.
 *
 * One `atomic` is one transaction of the store, which holds the lock of the callback's row.
 * Comments name the code that a block models. README.md lists what is checked and what is left out.
 */

#ifndef CRASHES
#define CRASHES 2
#endif

#define PEOPLE 3
#define NEEDED 2 /* ringback.domain.policy.Policy.approvals_needed; one rejection rejects */

#define NONE 0
#define YES 1
#define NO 2
#define DEFAULT 3

/* ---- The store. */

byte vote[PEOPLE];      /* ringback.store.tables.votes: a row for each person */
bool is_asked[PEOPLE];  /* ringback.domain.policy.Policy.assignees */
bool ballot[PEOPLE];    /* ringback.domain.callback.Callback.ballots: each person withdraws at most once */
byte outcome = NONE;    /* of the callback; NONE while it is open */

/* ---- What is true, whatever the store says. */

byte says[PEOPLE];      /* the vote of each person that was committed last, and not withdrawn */
byte promised[PEOPLE];  /* the vote that a reply has confirmed, and that still counts */
byte lost = 0;          /* how many replies and gateways were lost */

/* ---- Replies of a gateway. */

#define COUNTED 1
#define REFUSED 2  /* 403: not asked; 409: voted differently */
#define OVER 3     /* 409 or 410: it has an outcome */

hidden byte yes, no, agree, stale, unkept, p_;

/* ringback.domain.vote.tally */
inline tally() {
  yes = 0; no = 0; p_ = 0;
  do
  :: p_ < PEOPLE ->
     if :: vote[p_] == YES -> yes++ :: vote[p_] == NO -> no++ :: else fi;
     p_++
  :: else -> break
  od
}

/* Compare the votes that count with what is true. */
inline check_votes(is_approved) {
  agree = 0; stale = 0; unkept = 0; p_ = 0;
  do
  :: p_ < PEOPLE ->
     if :: is_asked[p_] && says[p_] == (is_approved -> YES : NO) -> agree++ :: else fi;
     if :: vote[p_] != NONE && vote[p_] != says[p_] -> stale++ :: else fi;
     if :: promised[p_] != NONE && vote[p_] != promised[p_] -> unkept++ :: else fi;
     p_++
  :: else -> break
  od;
  p_ = 0;
  assert(stale == 0);
  assert(unkept == 0);
  assert(agree >= (is_approved -> NEEDED : 1))
}

/* ringback.store.answers.accept */
inline end(how) {
  assert(outcome == NONE);
  if :: how != DEFAULT -> check_votes(how == YES) :: else fi;
  outcome = how
}

/* ringback.store.votes.SqlVotes.vote, with ringback.domain.vote.count_vote */
inline count(p, wish, sent, reply) {
  if
#ifndef VOTE_AFTER_OUTCOME
  :: outcome != NONE -> reply = OVER
#endif
#ifndef CHECKED_AT_THE_DOOR
  :: outcome == NONE && !is_asked[p] -> reply = REFUSED
#endif
#ifndef SECOND_REPLACES
  :: outcome == NONE && is_asked[p] && vote[p] != NONE && vote[p] != wish -> reply = REFUSED
#endif
#ifndef NO_BALLOT
  :: outcome == NONE && is_asked[p] && vote[p] == NONE && sent != ballot[p] -> reply = REFUSED
#endif
  :: else ->
     reply = COUNTED;
#ifndef DUPLICATE_COUNTS
     if
     :: vote[p] == wish
     :: else ->
#endif
        assert(outcome == NONE || wish == NONE);
        vote[p] = wish;
        if :: sent == ballot[p] -> says[p] = wish :: else fi; /* else it was withdrawn */
#ifndef OUTCOME_FOLLOWS
        decide(p)
#endif
#ifndef DUPLICATE_COUNTS
     fi
#endif
  fi
}

/* ringback.domain.vote.decide. With DUPLICATE_COUNTS each request is a row, not each person. */
inline decide(p) {
#ifdef COUNTS_BEFORE_THE_LOCK
  yes = seen_yes + (vote[p] == YES); no = seen_no + (vote[p] == NO);
#else
  tally();
#endif
#ifdef DUPLICATE_COUNTS
  rows[vote[p]]++; yes = rows[YES]; no = rows[NO];
#endif
  if
  :: outcome == NONE && yes >= NEEDED -> end(YES)
  :: outcome == NONE && yes < NEEDED && no > 0 -> end(NO)
  :: else
  fi;
  yes = 0; no = 0; agree = 0; stale = 0; unkept = 0
}

#ifdef DUPLICATE_COUNTS
byte rows[3];
#endif

/* ringback.store.votes.SqlVotes.withdraw: the vote of another ballot stays. */
inline withdraw(p, sent, reply) {
  if
#ifndef WITHDRAWN_TOO_LATE
  :: outcome != NONE -> reply = OVER
#endif
#ifndef WITHDRAWS_ANY_BALLOT
  :: outcome == NONE && sent != ballot[p] -> reply = COUNTED
#endif
  :: else ->
     reply = COUNTED;
     if :: sent == ballot[p] -> says[p] = NONE; promised[p] = NONE :: else fi;
#ifndef WITHDRAWN_STAYS
     vote[p] = NONE;
#endif
     ballot[p] = true;
     check_outcome()
  fi
}

/* The votes in an outcome are those that stand behind it. */
inline check_outcome() {
  if :: outcome == YES || outcome == NO -> check_votes(outcome == YES) :: else fi;
  agree = 0; stale = 0; unkept = 0
}

#define MAY_LOSE (lost < CRASHES)

#ifdef LATE
/* A request whose sender has given up and repeated it; it arrives at any time, or never. */
proctype Late(byte p, wish; bool sent) {
  byte reply;
#ifdef COUNTS_BEFORE_THE_LOCK
  byte seen_yes, seen_no;
#endif
  if
  :: wish == NONE -> atomic { withdraw(p, sent, reply) }
  :: wish != NONE -> atomic { count(p, wish, sent, reply) }
  fi
}
#endif

/* One person in one tab: a vote, perhaps withdrawn, and then another vote. */
proctype Person(byte p; bool may_withdraw) {
  byte wish, reply, turn = 0;
  bool sent = false; /* the ballot that the page showed */
#ifdef COUNTS_BEFORE_THE_LOCK
  byte seen_yes, seen_no;
#endif
  if :: wish = YES :: wish = NO fi;
voting:
  /* ringback.core.vote_checks.VoteValidator.check: before the transaction, so it may be outdated. */
  if
  :: !is_asked[p] -> goto done
  :: else
  fi;
#ifdef COUNTS_BEFORE_THE_LOCK
  atomic { tally(); seen_yes = yes; seen_no = no; yes = 0; no = 0 };
#endif
#ifdef REPLY_BEFORE_THE_COMMIT
  promised[p] = wish;
  if :: MAY_LOSE -> lost++; goto done :: skip fi;
#endif
  atomic { count(p, wish, sent, reply) };
#ifdef OUTCOME_FOLLOWS
  if :: MAY_LOSE -> lost++; goto done :: skip fi;
  atomic { decide(p) };
#endif
  if
  :: MAY_LOSE -> lost++; goto voting /* no reply: the person repeats the vote */
#ifdef LATE
  :: MAY_LOSE && may_withdraw -> lost++; run Late(p, wish, sent); goto voting
#endif
  :: atomic { reply == COUNTED && is_asked[p] && outcome == NONE && says[p] == wish -> promised[p] = wish }
  :: else
  fi;
  if
  :: reply != COUNTED || turn > 0 -> goto done
  :: reply == COUNTED && turn == 0 -> goto done
  :: reply == COUNTED && turn == 0 && may_withdraw -> turn = 1
  fi;
withdrawing:
  promised[p] = NONE;
  atomic { withdraw(p, sent, reply) };
  if
  :: MAY_LOSE -> lost++; goto withdrawing
#ifdef LATE
  :: MAY_LOSE -> lost++; run Late(p, NONE, sent); goto withdrawing
#endif
  :: reply == COUNTED -> sent = true;
#ifdef LATE
     if :: wish = YES :: wish = NO fi;
#else
     wish = (wish == YES -> NO : YES);
#endif
     goto voting
  :: reply != COUNTED
  fi;
done:
  skip
}

/* ringback.domain.assignment.reassign: person 2 is asked instead of person 0. */
proctype Reassign() {
  bool was_counted;
#ifdef REASSIGNED_OUTSIDE_THE_LOCK
  was_counted = vote[0] != NONE;
#endif
  atomic {
    if
    :: outcome != NONE
    :: else ->
       is_asked[0] = false; is_asked[2] = true;
       promised[0] = NONE;
#ifdef REASSIGNED_OUTSIDE_THE_LOCK
       if :: was_counted -> vote[0] = NONE :: else fi;
#else
#ifndef REASSIGNED_KEEPS_VOTES
       vote[0] = NONE;
#endif
#endif
       says[0] = NONE
    fi
  }
}

/* ringback.core.deadlines: any time may be after the deadline. */
proctype Deadline() {
#ifdef DEFAULT_UNLOCKED
  outcome == NONE ->
  atomic { end(DEFAULT) }
#else
  atomic {
    if
    :: outcome == NONE -> end(DEFAULT)
    :: else
    fi
  }
#endif
}

/* A quorum is never without an outcome, and votes that decided do not change. */
#define IS(p, v) (vote[p] == v)
#define SUM(v) (IS(0, v) + IS(1, v) + IS(2, v))
active proctype Monitor() {
end_of_monitor:
  atomic { outcome == NONE && (SUM(YES) >= NEEDED || SUM(NO) > 0) -> assert(outcome != NONE) }
}

init {
  atomic {
    is_asked[0] = true; is_asked[1] = true;
#ifdef TABS
    /* One of them has the page open in two tabs; nobody withdraws, so that it stays small. */
    run Person(0, false); run Person(1, false); run Person(1, false); run Person(2, false);
#elif defined(LATE)
    /* Requests arrive late; one of them withdraws. */
    run Person(0, false); run Person(1, true); run Person(2, false);
#else
    run Person(0, true); run Person(1, true); run Person(2, true);
#endif
    run Reassign(); run Deadline()
  }
}
