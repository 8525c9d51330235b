//! Lines of a stream, in bounded memory.

use std::io;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

/// Splits a stream at `\n`. Bytes are decoded per line, so that a character that arrives in two
/// pieces stays whole.
#[derive(Debug)]
pub(super) struct Lines<R> {
    reader: BufReader<R>,
    max: usize,
}

/// A line: at most `max` bytes of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    bytes: Vec<u8>,
    /// How many bytes it had, without its end.
    pub length: u64,
}

impl Line {
    /// Its text; what is no UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub fn new(reader: R, max: usize) -> Self {
        Self {
            reader: BufReader::with_capacity(64 * 1024, reader),
            max,
        }
    }

    /// The next line; `None` at the end. An unfinished last line counts.
    pub async fn next(&mut self) -> io::Result<Option<Line>> {
        let mut line = Line {
            bytes: Vec::new(),
            length: 0,
        };
        let mut any = false;
        loop {
            let chunk = self.reader.fill_buf().await?;
            if chunk.is_empty() {
                return Ok(any.then_some(line));
            }
            any = true;
            let end = chunk.iter().position(|b| *b == b'\n');
            let part = &chunk[..end.unwrap_or(chunk.len())];
            let room = self.max.saturating_sub(line.bytes.len()).min(part.len());
            line.bytes.extend_from_slice(&part[..room]);
            line.length += part.len() as u64;
            let used = part.len() + usize::from(end.is_some());
            self.reader.consume(used);
            if end.is_some() {
                return Ok(Some(line));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    async fn lines_of(pieces: Vec<Vec<u8>>, max: usize) -> Vec<(String, u64)> {
        let (mut tx, rx) = tokio::io::duplex(4);
        let writing = async move {
            for piece in pieces {
                tx.write_all(&piece).await.unwrap();
            }
        };
        let reading = async {
            let mut lines = Lines::new(rx, max);
            let mut all = vec![];
            while let Some(line) = lines.next().await.unwrap() {
                all.push((line.text(), line.length));
            }
            all
        };
        tokio::join!(writing, reading).1
    }

    #[tokio::test]
    async fn a_character_in_two_pieces_stays_whole() {
        let ü = "ü€😀\nx".as_bytes();
        let pieces = ü.iter().map(|b| vec![*b]).collect();
        assert_eq!(
            lines_of(pieces, 100).await,
            [("ü€😀".into(), 9), ("x".into(), 1)]
        );
    }

    #[tokio::test]
    async fn a_long_line_is_cut_and_the_next_one_is_whole() {
        let pieces = vec![vec![b'a'; 5000], b"\nok\n\n".to_vec()];
        assert_eq!(
            lines_of(pieces, 3).await,
            [("aaa".into(), 5000), ("ok".into(), 2), (String::new(), 0)]
        );
    }

    #[tokio::test]
    async fn bytes_that_are_no_text_do_not_end_the_stream() {
        let pieces = vec![b"\xff\xfe{\n{}\n".to_vec()];
        assert_eq!(
            lines_of(pieces, 100).await,
            [("\u{fffd}\u{fffd}{".into(), 3), ("{}".into(), 2)]
        );
    }
}
