"""Who gave which sample when, and the contrasts that this allows."""
