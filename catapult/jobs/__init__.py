"""Background work: the queue, the worker's loop, and one file a kind of job."""
