"""How fast is TLS over a SOCKS5 bytestream, against Python's ssl on a bare connection? SHA-256 on both ends of both."""

from __future__ import annotations

from stream_ends import compare

if __name__ == "__main__":
    compare("SOCKS5 bytestream with TLS / bare ssl", tls=True)
