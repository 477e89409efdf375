"""What the operations on rows mean: reads, writes, deletes, exports, and their hooks, policies and failures."""
