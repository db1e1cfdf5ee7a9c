"""Work that runs side by side, and signals that come meanwhile.

- :class:`muslfix.parallel.threads.Pool`: one function for many items, in threads of this process
- :class:`muslfix.parallel.threads.Background`: one job, while its caller does something else
- :func:`muslfix.parallel.forks.fork`: one job, in a copy of this process
- :func:`muslfix.parallel.executors.for_each`: one function for many items, in processes, or in any
  :class:`concurrent.futures.Executor`, such as that of a Dask cluster
- :class:`muslfix.parallel.interrupts.uninterrupted`: a block that is not interrupted, whichever thread the
  signal comes to
"""
