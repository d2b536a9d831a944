"""Few-shot speaker adaptation for text-to-speech: strategies compared on equal terms."""
