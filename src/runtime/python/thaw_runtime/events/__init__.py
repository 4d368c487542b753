"""What platforms tell a function of: decoded, without a word to the platform."""
