//! Claude Code as a program: its command line, its environment, its stream of JSON lines.
