"""What a stream is and how a run proceeds, without I/O."""
