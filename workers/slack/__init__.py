"""What is said in Slack and how: one call a method, its errors by name, threads, files, and who else reads a channel."""
