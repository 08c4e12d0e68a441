"""How bits move: one file per transport method."""
