"""What every backend shares: the contract of a vector of envs, its options, and its arguments."""
