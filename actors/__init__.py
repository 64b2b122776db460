"""What an actor is and how it steps: `actors` decides and cannot wait."""
