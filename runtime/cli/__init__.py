"""The command `perdure`: look at a store and steer what is in it; extra `cli`."""
