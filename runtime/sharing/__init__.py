"""Several workers on one hub: who has which partition, and how messages get to the others."""
