"""What the bits are: RTP calls and file transfers."""
