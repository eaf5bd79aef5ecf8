"""The load engine: many people at once, with every event of every one of them checked."""
