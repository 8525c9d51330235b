//! Stdin by lines of bounded length.

use std::io;

use iris_domain::request::REQUEST_MAX;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Without its line break; never empty.
    Whole(Vec<u8>),
    /// Longer than the endpoint takes; nothing of it was kept.
    TooLong,
}

/// Reads them. A line that was begun is kept when nobody waits for it any more.
pub(super) struct Lines<R> {
    input: R,
    begun: Vec<u8>,
    too_long: bool,
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    pub(super) fn of(input: R) -> Self {
        Self {
            input,
            begun: Vec::new(),
            too_long: false,
        }
    }

    /// The next one that is not empty; `None` at the end.
    pub(super) async fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            let read = self.input.fill_buf().await?;
            let (piece, used, ended) = match read.iter().position(|&byte| byte == b'\n') {
                Some(end) => (&read[..end], end + 1, true),
                None => (read, read.len(), read.is_empty()),
            };
            self.too_long |= self.begun.len() + piece.len() > REQUEST_MAX;
            if self.too_long {
                self.begun = Vec::new();
            } else {
                self.begun.extend_from_slice(piece);
            }
            self.input.consume(used);
            if !ended {
                continue;
            }
            let line = std::mem::take(&mut self.begun);
            if std::mem::take(&mut self.too_long) {
                return Ok(Some(Line::TooLong));
            }
            if !line.trim_ascii().is_empty() {
                return Ok(Some(Line::Whole(line)));
            }
            if used == 0 {
                return Ok(None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_come_whole_and_long_ones_do_not_pile_up() {
        let mut text = b"{\"a\":1}\n\n \r\n".to_vec();
        text.extend(vec![b'x'; REQUEST_MAX + 1]);
        text.extend(b"\nlast");
        let mut lines = Lines::of(tokio::io::BufReader::new(&text[..]));
        let mut next = async || lines.next().await.unwrap();
        assert_eq!(next().await, Some(Line::Whole(b"{\"a\":1}".to_vec())));
        assert_eq!(next().await, Some(Line::TooLong));
        assert_eq!(next().await, Some(Line::Whole(b"last".to_vec())));
        assert_eq!(next().await, None);
    }
}
