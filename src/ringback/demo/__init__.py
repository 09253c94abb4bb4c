"""The demo: a client, a workflow, an activity, and an outside service that calls back.

It is an application that uses Ringback, not a part of it: nothing in Ringback imports it but the
command line. `client` starts `workflow`, which runs `activity`, which asks `service` through
`http_api_gateway`; the answer comes in at Ringback's own gateway. Each party reports its `steps`,
and `tour` shows them.
"""
