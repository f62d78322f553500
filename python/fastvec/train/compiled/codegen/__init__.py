"""A code generator of our own: from the operations of a recorded call to C++ that a compiler takes a second for."""
