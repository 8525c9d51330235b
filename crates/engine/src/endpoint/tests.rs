//! The endpoint over real sockets, spoken to byte by byte. But in [`whole`] the handler is a small
//! one, so that what is tested is the way in, not the tools.

mod agents;
mod answers;
mod callbacks;
mod kit;
mod metrics;
mod refused;
mod secured;
mod whole;
