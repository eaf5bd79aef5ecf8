"""The load engine: many users at once, with every event of every one of them checked."""
