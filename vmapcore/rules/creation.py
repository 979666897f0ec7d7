"""Arrays made from nothing, or like another array."""
