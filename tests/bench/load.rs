//! A small closed-loop HTTP/1.1 client: the same for both sides, so that ratios are fair.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// What a run measured.
pub struct Measured {
    latencies: Vec<Duration>,
    wall: Duration,
}

impl Measured {
    /// Requests per second.
    pub fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.wall.as_secs_f64()
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
    let start = Instant::now();
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..connections {
        let (path, token, body) = (path.to_owned(), token.to_owned(), body.clone());
        clients.spawn(async move {
            let mut stream = TcpStream::connect(address).await.expect("the server accepts");
            stream.set_nodelay(true).expect("a TCP socket");
            let mut buffer = Vec::with_capacity(16 * 1024);
            let mut latencies = Vec::with_capacity(each);
            for n in 0..each {
                let body = body(client * each + n);
                let request = format!(
                    "POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
                     Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
                     MCP-Protocol-Version: 2025-11-25\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
                let sent = Instant::now();
                stream.write_all(request.as_bytes()).await.expect("the request is sent");
                read_response(&mut stream, &mut buffer).await;
                latencies.push(sent.elapsed());
            }
            latencies
        });
    }
    let mut latencies: Vec<Duration> = clients.join_all().await.into_iter().flatten().collect();
    let wall = start.elapsed();
    latencies.sort_unstable();
    Measured { latencies, wall }
}

/// Reads one response, whatever its framing; anything but 200 ends the bench.
async fn read_response(stream: &mut TcpStream, buffer: &mut Vec<u8>) {
    buffer.clear();
    let mut chunk = vec![0_u8; 16 * 1024];
    loop {
        let n = stream.read(&mut chunk).await.expect("the response is read");
        assert_ne!(
            n,
            0,
            "the server closed: {}",
            String::from_utf8_lossy(buffer)
        );
        buffer.extend_from_slice(&chunk[..n]);
        let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&buffer[..end]).to_lowercase();
        assert!(
            head.starts_with("http/1.1 200"),
            "{}",
            String::from_utf8_lossy(buffer)
        );
        let length = head
            .lines()
            .find_map(|l| l.strip_prefix("content-length:"))
            .and_then(|v| v.trim().parse::<usize>().ok());
        let whole = match length {
            Some(length) => buffer.len() >= end + 4 + length,
            None => buffer.ends_with(b"0\r\n\r\n"),
        };
        if whole {
            return;
        }
    }
}
