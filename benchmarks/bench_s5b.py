"""How fast is a direct SOCKS5 bytestream, against a bare TCP connection? SHA-256 on both ends of both."""

from __future__ import annotations

from stream_ends import compare

if __name__ == "__main__":
    compare("SOCKS5 bytestream / bare TCP", tls=False)
