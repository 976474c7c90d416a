"""What others than the workspace may read of an answer: pseudonyms for names and addresses, and no files. Pure."""
