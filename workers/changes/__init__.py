"""Changes of nodes: what is proposed, what approvers were shown, and how it is carried out. One file a change."""
