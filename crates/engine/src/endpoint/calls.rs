//! The tool calls of agents that are being answered, so that `notifications/cancelled` ends one:
//! rmcp's stateless mode accepts that notification and does nothing (measured with 3.9.0).

use std::sync::{Arc, Mutex, PoisonError};

use iris_domain::ids::SessionId;
use tokio_util::sync::CancellationToken;

use super::envelope::Id;

/// The running calls; cheap to clone.
///
/// Only agents' calls: one process has one token, so a session and an id name one call. The
/// console's token is shared by all of the human's clients, which count their ids from the same
/// start: there only hanging up ends a call. A client that does not (the TypeScript SDK 1.32 says
/// it and keeps the stream, measured) holds its call until its timeout; the message it sent was never
/// the call's to end.
#[derive(Debug, Clone, Default)]
pub(super) struct Calls(Arc<Mutex<Vec<Running>>>);

#[derive(Debug)]
struct Running {
    session: SessionId,
    id: Id,
    cancelled: CancellationToken,
}

/// Forgets its call when dropped.
#[derive(Debug)]
pub(super) struct Call {
    calls: Calls,
    session: SessionId,
    /// Cancelled when the client says that it no longer wants the answer.
    pub cancelled: CancellationToken,
}

impl Calls {
    /// Notes a call until the result is dropped.
    pub(super) fn begin(&self, session: SessionId, id: Id) -> Call {
        let cancelled = CancellationToken::new();
        self.lock().push(Running {
            session,
            id,
            cancelled: cancelled.clone(),
        });
        Call {
            calls: self.clone(),
            session,
            cancelled,
        }
    }

    /// Ends the calls of this session with this id.
    pub(super) fn cancel(&self, session: SessionId, id: &Id) {
        for call in self
            .lock()
            .iter()
            .filter(|call| call.session == session && call.id == *id)
        {
            call.cancelled.cancel();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Running>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        // A token is equal to itself only by what it does: mark it, then drop what is marked.
        self.cancelled.cancel();
        let session = self.session;
        self.calls
            .lock()
            .retain(|call| call.session != session || !call.cancelled.is_cancelled());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancellation_ends_the_call_it_names_and_no_other() {
        let calls = Calls::default();
        let (mine, theirs) = (
            SessionId(uuid::Uuid::from_u128(1)),
            SessionId(uuid::Uuid::from_u128(2)),
        );
        let call = calls.begin(mine, Id::Number(4));
        let other_id = calls.begin(mine, Id::Number(5));
        let text_id = calls.begin(mine, Id::Text("4".to_owned()));
        let other_session = calls.begin(theirs, Id::Number(4));
        calls.cancel(mine, &Id::Number(4));
        assert!(call.cancelled.is_cancelled(), "the named call ends");
        for untouched in [&other_id, &text_id, &other_session] {
            assert!(!untouched.cancelled.is_cancelled(), "another call goes on");
        }
        drop((call, other_id));
        assert_eq!(
            calls.lock().len(),
            2,
            "an ended call is forgotten, the others are kept"
        );
    }
}
