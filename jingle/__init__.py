"""Voice, video and file transfer over XMPP with Jingle."""
