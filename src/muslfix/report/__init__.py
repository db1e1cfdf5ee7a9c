"""What a command found and did, as values, sentences and JSON."""
