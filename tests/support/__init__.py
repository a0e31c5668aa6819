"""The test bench: clips with a known content, independent decoders, a browser and its players."""
