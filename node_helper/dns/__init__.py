"""DNS messages (RFC 1035, RFC 6891) as bytes and back. Pure; what arrives is hostile."""
