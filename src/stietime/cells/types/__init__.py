"""Cell types by marker sets."""
