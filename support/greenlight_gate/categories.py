"""The categories of scenarios, in alphabetical order: each is a folder of features/ and a tag."""

CATEGORIES = ("functional", "integration", "performance", "resilience", "security", "stress")
