"""The log, snapshots and mailboxes on disk: `persistence` keeps, and knows no loop."""
