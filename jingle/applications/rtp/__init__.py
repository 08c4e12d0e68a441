"""XEP-0167: Jingle RTP Sessions, as an application."""
