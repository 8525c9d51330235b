//! The life of an approval as a step function.
