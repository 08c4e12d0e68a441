"""Where frames come from and go: sources, sinks, devices and the codecs between."""
