"""What each log event means, and what to do where somebody may have to act."""

from typing import Final

_RETRIED: Final = "It is retried; logged once per outage."

EVENTS: Final = {
    "a person signed in": "A person signed in; the line names the session.",
    "activity should stop": "In a worker: Temporal asks the activity to stop.",
    "answer of a poll refused": "In a worker: the gateway refused what your `poll` function"
    " returned; the line says why. The activity waits on.",
    "answers accepted": "A commit of answers: their kinds and callbacks.",
    "callback opened": "An activity has opened its callback.",
    "cannot accept a default answer": "One default answer cannot be stored. Report it.",
    "cannot accept default answers": f"The store does not accept them. {_RETRIED}",
    "cannot answer in Slack": "Slack did not take a message that only its reader would have seen.",
    "cannot ask for a reason in Slack": "Slack did not open the form. The person may press again.",
    "cannot claim events": f"The store cannot be read or written. {_RETRIED}",
    "cannot claim notifications": f"The store cannot be read or written. {_RETRIED}",
    "cannot claim outcomes": f"The store is away: nothing is delivered. {_RETRIED}",
    "cannot claim webhooks": f"The store cannot be read or written. {_RETRIED}",
    "cannot consume a queue": "The broker cannot be reached, or refuses. It is retried; check the"
    " URL and the permissions of the queue.",
    "cannot delete what ended long ago": "As a warning, the store cannot be written, and it is"
    " retried; as an error, it is about one callback.",
    "cannot encode the details of a heartbeat": "In a worker: the data converter fails.",
    "cannot export spans": "The collector of traces is away or refuses, and spans are dropped."
    " Check `OTEL_EXPORTER_OTLP_ENDPOINT`.",
    "cannot identify a Slack account": "Slack did not say whose account it is. Check the token.",
    "cannot keep activities alive": f"The store cannot be read or written. {_RETRIED}",
    "cannot keep an activity alive": f"In a worker: Temporal takes no heartbeats. {_RETRIED}",
    "cannot listen for notifications": "PostgreSQL announces no changes: other gateways notice them"
    " a second later. It is retried.",
    "cannot listen to the store": f"Changes by other gateways are noticed later. {_RETRIED}",
    "cannot poll an activity": f"Temporal does not reply. {_RETRIED}",
    "cannot poll open callbacks": f"The store or Temporal does not reply. {_RETRIED}",
    "cannot read a stored row": "A row was altered outside Ringback, or is damaged. It is left out."
    " Restore it from a backup.",
    "cannot read the gauges": f"The store is away: `/metrics` lacks its gauges. {_RETRIED}",
    "cannot repair due times": f"The store cannot be written. {_RETRIED}",
    "cannot request a poll of the sender": "Temporal or the store refuses one poll. The others go"
    " on. Report it.",
    "cannot request polls of senders": f"The store or Temporal does not reply. {_RETRIED}",
    "cannot send a heartbeat": "Temporal refuses a heartbeat. Check the permissions in Temporal.",
    "cannot store the polled state of a callback": "One callback cannot be updated. Report it.",
    "cannot use Temporal": "Temporal cannot be reached, or refuses. Answers are accepted and"
    " delivered later. Check Temporal, the address and the namespace.",
    "cannot watch the inboxes": f"Open lists of the inbox do not change. {_RETRIED}",
    "data converter hangs": "Your data converter does not return, and answers get 503. Check the"
    " codec server.",
    "data converter returned after all": "The converter that was too slow before has returned.",
    "default answers accepted": "A commit of default answers, at their deadlines.",
    "deleted what ended long ago": "Retention has deleted rows.",
    "delivery postponed": "A delivery is retried; the line has the reason.",
    "event cannot be used": "An event of a source is no valid answer. `ringback events` shows why.",
    "event ended": "An event was matched, or will never be.",
    "event refused": "A request to a source has a wrong signature, or none. If the provider sent"
    " it, check the secret.",
    "event replayed": "An operator replays an event.",
    "gateway process ended": "One of `serve --processes` has ended; the line names its number and"
    " exit code, negative for a signal. It is restarted; if it ends again and again, its own lines"
    " say why.",
    "gateway process failed": "One of `serve --processes` ended with an error when it was stopped;"
    " the line names its number and exit code, negative for a signal, and its own lines say why.",
    "gateway process killed": "One of `serve --processes` did not stop in time. Nothing is lost.",
    "file descriptors run out": "New connections get 503. Raise the limit of file descriptors.",
    "handshake answered": "A provider checked the URL of a source.",
    "handshake failed": "The secret that a provider offered cannot be kept. Check the data folder.",
    "handshake refused": "A check of a source's URL was not right. Check the source's settings.",
    "ID token refused": "An identity provider's token is not valid. Check client id and clock.",
    "identity provider cannot be used": "People cannot sign in. Check the provider.",
    "identity provider refused a code": "A sign-in failed. If all do, check the client's secret.",
    "last spans not exported": "The gateway stopped before the collector replied.",
    "link of an unknown key refused": "A worker uses a gateway with other link keys.",
    "local API key is revoked": "This machine's key is revoked. Delete its file for a new one.",
    "message cannot be used": "A message of a queue was set aside. `ringback events` shows it.",
    "messages wait": "The messages of a queue wait for the store or for Temporal.",
    "nobody can change the arguments of a call": "In a worker: the gateway refused the form of the"
    " tool's schema; the line says why. People can approve or reject. Simplify the schema.",
    "no heartbeats any more": "In a worker: the task that sends heartbeats has failed. Report it.",
    "no webhook secret for ringback.wait": "In `ringback worker`: attempts of `ringback.wait` fail"
    " and are retried. Set `RINGBACK_WEBHOOK_SECRETS` to that of the gateways.",
    "no webhook secret is set": "Webhooks wait. Set `RINGBACK_WEBHOOK_SECRETS`.",
    "not ready": "`/readyz` returns 503: the store accepts no writes. Check the database.",
    "notification failed": "A message to a person was given up. Check the channel.",
    "notification retrying": "A message to a person was not taken, and is sent again.",
    "notified": "A message to a person was sent.",
    "on_stop failed": "In a worker: your function raised an exception.",
    "operator API": "A call of the operator API: the key, the method and the status.",
    "outcome given up": "An operator gave a parked answer up, and Temporal did not need it.",
    "outcomes parked": "Temporal refused accepted answers for good. `ringback list --state parked`"
    " shows them; [decide about each](../howto/troubleshoot.md).",
    "outcomes settled": "A commit of verdicts: which, and of which callbacks.",
    "parameters of RINGBACK_STORE that have no effect": "Remove them from the URL.",
    "pattern of a result type not checked": "In a worker: a pattern uses look-around.",
    "people sign in over plain http": "Set `RINGBACK_PUBLIC_URL` to an https URL.",
    "poll of the sender failed": "In a worker: your `poll` function raised, hung, or returned what"
    " is no answer. The activity waits on.",
    "poll of the sender requested": "The attempt that waits was ended, and the next one polls.",
    "queue connected": "A queue is consumed.",
    "request of Slack refused": "Check `RINGBACK_SLACK_SIGNING_SECRETS` and the clock.",
    "request refused": "A request got 503; the line has the reason.",
    "requests canceled to stop": "The gateway stops, and requests took more than a second. Their"
    " senders got 503 and send them again.",
    "result rejected": "A result takes too long to check, and was refused.",
    "results are not checked": "Results of an activity are accepted unchecked; the line has the"
    " type and the reason.",
    "results will be rejected": "Worker and gateway convert a result type differently, or the"
    " converter cannot read it. Set the data converter for both.",
    "Ringback gateway": "In a worker: its gateway, version, namespace and key.",
    "RINGBACK_STORE leads to a pooler": "Add `pool_mode` to the URL, as the pooler is configured.",
    "revoked API key used": "A program has a key that was revoked, and gets 401. Logged again after"
    " an hour without it. Give the program another key.",
    "secret file is not secret": "Other users can read or change a key. Change the file's mode.",
    "step": "A step of the demo.",
    "task failed": "As a warning, something away is the cause, and it is retried; as an error, it"
    " is a bug. Report it.",
    "Temporal can be used again": "The outage has ended.",
    "Temporal is misconfigured": "Temporal rejects deliveries. Check address, namespace, API key"
    " and certificate.",
    "the activity did not receive a failure": "In a worker: Temporal could not be told a failure.",
    "the clock was set back": "Due times were too far ahead, and are repaired. Check the clock.",
    "too many connections": "New connections get 503. Raise `RINGBACK_MOST_CONNECTIONS`.",
    "too many connections from one address": "Its next connections get 503. If it is a proxy, raise"
    " `RINGBACK_MOST_CONNECTIONS_PER_ADDRESS`.",
    "too many bytes arrive": "Answers get 503 until others are committed. Add gateways.",
    "traces exported": "Traces are exported; the line names the sampler.",
    "traces not exported": "The extra `otel` is missing.",
    "unknown setting": "A variable has no effect; the line has a similar one.",
    "vote by chat refused": "A vote by Slack was not counted; the person was told why.",
    "votes counted": "A commit of votes.",
    "webhook delivered": "A webhook was received.",
    "webhook failed": "A webhook was given up after three days, or the receiver wants no more.",
    "webhook retrying": "A webhook was not received, and is sent again.",
    "what has ended is deleted after RINGBACK_KEEP_ENDED_FOR": "What retention keeps.",
    "what has ended is kept forever (RINGBACK_KEEP_ENDED_FOR)": "What retention keeps.",
    "work continues, though it should stop": "In a worker: Temporal asks the activity to stop, and"
    " your code continues.",
}
