//! An event stream by its events: of each only its data, as one line.

/// Takes a stream apart; what is not whole yet waits.
#[derive(Debug, Default)]
pub(super) struct Events {
    line: Vec<u8>,
    data: Vec<u8>,
}

impl Events {
    /// What is whole with this piece. Comments and events without data are no messages.
    pub(super) fn take(&mut self, piece: &[u8]) -> Vec<Vec<u8>> {
        let mut whole = Vec::new();
        for &byte in piece {
            if byte != b'\n' {
                self.line.push(byte);
                continue;
            }
            let line = std::mem::take(&mut self.line);
            let line = line.strip_suffix(b"\r").unwrap_or(&line);
            if line.is_empty() {
                let data = std::mem::take(&mut self.data);
                if !data.trim_ascii().is_empty() {
                    whole.push(data);
                }
            } else if let Some(data) = line.strip_prefix(b"data:") {
                // A break between two lines of data is white space of the JSON.
                if !self.data.is_empty() {
                    self.data.push(b' ');
                }
                self.data
                    .extend_from_slice(data.strip_prefix(b" ").unwrap_or(data));
            }
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_whole_whatever_the_pieces() {
        let text =
            b": waiting\n\nid: 1\ndata:\n\nevent: message\ndata: {\"a\":\r\ndata: 1}\r\n\r\n\
            event: message\ndata:{\"b\":2}\n\ndata: {\"half\"";
        let want = vec![br#"{"a": 1}"#.to_vec(), br#"{"b":2}"#.to_vec()];
        for size in [1, 7, text.len()] {
            let mut events = Events::default();
            let whole: Vec<_> = text
                .chunks(size)
                .flat_map(|piece| events.take(piece))
                .collect();
            assert_eq!(whole, want, "in pieces of {size}");
        }
    }
}
