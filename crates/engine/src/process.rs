//! Starting and ending programs: the one place that spawns.
