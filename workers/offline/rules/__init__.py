"""Rules in the files of a saved folder, shared by the facts that are answered from them."""
