//! How long, how large and how many. One value, so that tests can make the bounds small.

use std::time::Duration;

use iris_domain::request::REQUEST_MAX;

/// The bounds of the endpoint.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Connections at once. Each agent holds one or two and one per waiting approval; ten agents
    /// with parallel tool calls stay far below, and 256 cost no noticeable memory. When they are taken, whoever has most
    /// gives one (`places`).
    pub connections: usize,
    /// From the connection to its first byte and the end of a TLS handshake: three ways through a
    /// tunnel, which on a bad satellite link take two seconds.
    pub opening: Duration,
    /// From the first byte a request waits for to the end of the request head. A loopback
    /// client sends its head at once; whoever takes longer only holds a connection. An idle
    /// connection ends by it too.
    pub head: Duration,
    /// The request head, bytes: tokens and MCP headers need less than 2 KiB.
    pub head_bytes: usize,
    /// Header lines of a request: real clients send about 15.
    pub headers: usize,
    /// From the head to the end of the body. Four mebibytes over loopback or a slow tunnel.
    pub body: Duration,
    /// The body, bytes.
    pub body_bytes: usize,
    /// How long an answer may stay silent before it becomes an event stream. Long enough that
    /// what answers at once stays plain JSON, short enough for every client's first-byte timeout.
    pub quick: Duration,
    /// Between the signs of life on a waiting stream. Claude Code ends a call that was silent for
    /// 300 s (measured with 2.1.330); proxies and tunnels are less patient.
    pub sign_every: Duration,
    /// What answers that are being written get after shutdown began.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            opening: Duration::from_secs(10),
            head: Duration::from_secs(5),
            head_bytes: 32 * 1024,
            headers: 64,
            body: Duration::from_secs(10),
            body_bytes: REQUEST_MAX,
            quick: Duration::from_millis(300),
            sign_every: Duration::from_secs(15),
            grace: Duration::from_secs(2),
        }
    }
}
