"""What a node's packet filter does for services: read, resolved by address, compared with what it should do. Pure."""
