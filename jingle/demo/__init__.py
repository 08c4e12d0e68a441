"""A small XMPP server in the process, on loopback addresses, for the demo, the samples and fast tests."""
