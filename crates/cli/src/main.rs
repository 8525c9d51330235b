//! The iris command.
fn main() {}
