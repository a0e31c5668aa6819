"""One file per version of the schema. A version that was released never changes."""
