"""Who may do what, where, and who has to agree to a change: pure rules, the one file they are in, and what follows its edits."""
