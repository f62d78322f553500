"""What tests of several folders share: small envs, comparisons, compiling. Imported as ``from support.x import y``."""
