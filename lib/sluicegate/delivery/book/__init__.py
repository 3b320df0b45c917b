"""What the delivery repo says and how it is written: pins, records, intents, versions, who did it."""
