//! A small closed-loop HTTP/1.1 client: the same for both sides, so that ratios are fair.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use nix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// What a run measured.
pub struct Measured {
    latencies: Vec<Duration>,
    wall: Duration,
    processor: Duration,
}

impl Measured {
    /// Requests per second.
    pub fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.wall.as_secs_f64()
    }

    /// Processor time of a request: of the whole program meanwhile, so the client's is in it.
    pub fn processor(&self) -> Duration {
        self.processor / self.latencies.len() as u32
    }

    /// The latency below which this share (0–1) of the requests stayed.
    pub fn quantile(&self, share: f64) -> Duration {
        let index = ((self.latencies.len() as f64 * share) as usize).min(self.latencies.len() - 1);
        self.latencies[index]
    }
}

/// `connections` clients send `each` requests one after the other; `body(n)` makes the n-th.
pub async fn run<F>(
    address: SocketAddr,
    path: &str,
    token: &str,
    connections: usize,
    each: usize,
    body: F,
) -> Measured
where
    F: Fn(usize) -> String + Clone + Send + 'static,
{
    paced(
        address,
        path,
        token,
        connections,
        each,
        Duration::ZERO,
        body,
    )
    .await
}

/// The same; each client sends one `every` so long, or as soon as it has its answer when that takes
/// longer.
pub async fn paced<F>(
    address: SocketAddr,
    path: &str,
    token: &str,
    connections: usize,
    each: usize,
    every: Duration,
    body: F,
) -> Measured
where
    F: Fn(usize) -> String + Clone + Send + 'static,
{
    let (path, token) = (path.to_owned(), token.to_owned());
    // On a thread of its own, as a client is a program of its own: on the server's threads it would
    // favour whoever hops least between them.
    tokio::task::spawn_blocking(move || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime")
            .block_on(clients(
                address,
                path,
                token,
                connections,
                each,
                every,
                body,
            ))
    })
    .await
    .expect("the clients end")
}

async fn clients<F>(
    address: SocketAddr,
    path: String,
    token: String,
    connections: usize,
    each: usize,
    every: Duration,
    body: F,
) -> Measured
where
    F: Fn(usize) -> String + Clone + Send + 'static,
{
    // What is sent is ready, and who sends it is connected, before the clock runs: the client's own
    // work would be measured otherwise.
    let mut ready = Vec::with_capacity(connections);
    for client in 0..connections {
        let requests: Vec<String> = (0..each)
            .map(|n| request(address, &path, &token, &body(client * each + n)))
            .collect();
        let stream = TcpStream::connect(address)
            .await
            .expect("the server accepts");
        stream.set_nodelay(true).expect("a TCP socket");
        ready.push((stream, requests));
    }
    let (start, used) = (Instant::now(), processor());
    let mut clients = tokio::task::JoinSet::new();
    for (client, (mut stream, requests)) in ready.into_iter().enumerate() {
        clients.spawn(async move {
            let mut buffer = Vec::with_capacity(64 * 1024);
            let mut latencies = Vec::with_capacity(each);
            // Spread, so that they do not all send at once.
            let first = tokio::time::Instant::now() + every * client as u32 / connections as u32;
            for (n, request) in requests.iter().enumerate() {
                if !every.is_zero() {
                    tokio::time::sleep_until(first + every * n as u32).await;
                }
                let sent = Instant::now();
                stream
                    .write_all(request.as_bytes())
                    .await
                    .expect("the request is sent");
                read_response(&mut stream, &mut buffer).await;
                latencies.push(sent.elapsed());
            }
            latencies
        });
    }
    let mut latencies: Vec<Duration> = clients.join_all().await.into_iter().flatten().collect();
    let (wall, processor) = (start.elapsed(), processor() - used);
    latencies.sort_unstable();
    Measured {
        latencies,
        wall,
        processor,
    }
}

/// Processor time that this program took by now.
fn processor() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)
        .expect("a clock")
        .into()
}

fn request(address: SocketAddr, path: &str, token: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
         MCP-Protocol-Version: 2025-11-25\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Reads one response, whatever its framing; anything but 200 ends the bench.
async fn read_response(stream: &mut TcpStream, buffer: &mut Vec<u8>) {
    buffer.clear();
    let mut head = None;
    loop {
        let n = stream.read_buf(buffer).await.expect("the response is read");
        let said = || String::from_utf8_lossy(buffer);
        assert_ne!(n, 0, "the server closed: {}", said());
        if head.is_none()
            && let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n")
        {
            assert!(buffer.starts_with(b"HTTP/1.1 200"), "{}", said());
            head = Some((end + 4, length(&buffer[..end])));
        }
        let whole = match head {
            None => false,
            Some((begin, Some(length))) => buffer.len() >= begin + length,
            Some((_, None)) => buffer.ends_with(b"0\r\n\r\n"),
        };
        if whole {
            return;
        }
    }
}

/// The stated length of the body; `None`: it comes in chunks.
fn length(head: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length:";
    let mut lines = head.split(|byte| *byte == b'\n');
    let value = lines.find_map(|line| {
        let (name, value) = line.split_at_checked(NAME.len())?;
        name.eq_ignore_ascii_case(NAME).then_some(value)
    })?;
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}

/// The body of a tool call.
pub fn tool_call(n: usize, tool: &str, arguments: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": n, "method": "tools/call",
           "params": {"name": tool, "arguments": arguments}})
    .to_string()
}
