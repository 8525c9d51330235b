//! Log files and the terminal.
