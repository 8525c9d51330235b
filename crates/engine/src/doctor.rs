//! Checks of the surroundings, each with its fix.
