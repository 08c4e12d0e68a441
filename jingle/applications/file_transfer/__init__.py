"""XEP-0234: Jingle File Transfer (v0.19.1), as sender and as receiver, over any byte stream."""
