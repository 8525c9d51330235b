//! The life of a session as a step function.
