"""Work that runs side by side.

- :class:`muslfix.parallel.threads.Pool`: one function for many items, in threads of this process
- :class:`muslfix.parallel.threads.Background`: one job, while its caller does something else
- :func:`muslfix.parallel.executors.for_each`: one function for many items, in processes, or in any
  :class:`concurrent.futures.Executor`, such as that of a Dask cluster
"""
