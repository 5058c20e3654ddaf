"""One module a command of `siaga`: `add_arguments(parser)` and `run(arguments) -> exit code`.

Exit codes: 0 done, 1 the answer is no (a check failed, a ticket was not seen), 2 bad input, 3 the world was away.
"""
