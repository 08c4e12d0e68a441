"""The engine: sessions as pure state machines, with no asyncio, clock, randomness or XMPP library.

| module | what is in it |
|---|---|
| `state` | three tables: what is legal for a session, a content, a transport |
| `events` | what the engine says, one frozen event each |
| `engine` | `Session`: one negotiation (XEP-0166); its parts are `exchange`, `content_actions`, `transport_actions` |
| `contents` | what a session knows about its contents |
| `answers` | what is answered where the XEP leaves room |
| `dispatcher` | `Dispatcher`: which session a stanza belongs to, strangers, ties, bounds |
| `proposal`, `initiation_events`, `initiation` | `Initiations`: the call before the session (XEP-0353) |
"""
