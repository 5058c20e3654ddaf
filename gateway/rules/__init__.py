"""Rules while the gateway runs: the book over the rule files, drafts, backtests, activation, the noise budget."""
