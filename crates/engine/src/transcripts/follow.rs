//! Everything as it comes, once.

use iris_domain::transcript::{Line, Query};

use super::{TranscriptError, Transcripts};

/// Goes on after a place. What is deleted before it was given is not given.
#[derive(Debug)]
pub struct Following {
    transcripts: Transcripts,
    query: Query,
    after: u64,
}

impl Following {
    pub(super) fn new(transcripts: Transcripts, query: Query, after: u64) -> Self {
        Self {
            transcripts,
            query: Query {
                before: None,
                ..query
            },
            after,
        }
    }

    /// The next entries, oldest first; waits until there are some. `None`: there will be none, Iris ends.
    /// Cancellation safe: what was not given is given next.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn next(&mut self) -> Result<Option<Vec<Line>>, TranscriptError> {
        loop {
            let after = self.after;
            let newer = self.transcripts.newest.wait_for(|newest| *newest > after);
            if newer.await.is_err() {
                return Ok(None);
            }
            let query = Query {
                after: Some(after),
                ..self.query.clone()
            };
            let transcripts = &self.transcripts;
            let page = transcripts
                .read(move |connection| super::read::page(connection, &query))
                .await;
            let page = match page {
                Err(TranscriptError::Closed) => return Ok(None),
                page => page?,
            };
            self.after = page.upto;
            if !page.lines.is_empty() {
                return Ok(Some(page.lines));
            }
        }
    }

    /// The place up to which all was given.
    pub fn upto(&self) -> u64 {
        self.after
    }
}
