"""What installs netcheck, and the lab in which it is tried and tested."""
