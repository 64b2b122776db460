"""The engine of a runtime: one partition takes turns, makes them durable and brings them back."""
