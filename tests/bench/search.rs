//! How long searches take, as a table.

use std::time::{Duration, Instant};

use crate::ms;

const TIMES: usize = 30;

/// Prints how long each takes that `read` is given, and the slowest beside what is wanted.
pub async fn measure<Q: Clone>(
    what: &str,
    queries: impl IntoIterator<Item = (&'static str, Q)>,
    read: impl AsyncFn(Q) -> usize,
    wanted: Duration,
) {
    println!("| search over {what}, newest 50 | found | p50 ms | p95 ms |");
    println!("| --- | --- | --- | --- |");
    let mut worst = Duration::ZERO;
    for (name, query) in queries {
        let mut times = Vec::new();
        let mut found = 0;
        for _ in 0..TIMES {
            let start = Instant::now();
            found = read(query.clone()).await;
            times.push(start.elapsed());
        }
        times.sort_unstable();
        let (p50, p95) = (times[TIMES / 2], times[TIMES * 95 / 100]);
        println!("| {name} | {found} | {:.1} | {:.1} |", ms(p50), ms(p95));
        worst = worst.max(p95);
    }
    println!();
    println!(
        "slowest p95: {:.1} ms (wanted: {:.0} ms)",
        ms(worst),
        ms(wanted)
    );
}
