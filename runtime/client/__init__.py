"""The client side of a runtime: what one may ask, how it gets to the actors, what comes back."""
