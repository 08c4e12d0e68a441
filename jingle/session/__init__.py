"""The engine: sessions as pure state machines, with no asyncio, clock, randomness or XMPP library."""
