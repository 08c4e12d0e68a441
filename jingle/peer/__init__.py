"""The pump: engine events to transports, applications and stanzas."""
