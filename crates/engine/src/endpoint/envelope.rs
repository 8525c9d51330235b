//! The outermost layer of a JSON-RPC message: enough to refuse what is none, in JSON-RPC's own
//! words (rmcp 3.9 answers it with HTTP 415 and plain text), and to find a call by its id.

use std::borrow::Cow;

use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::value::RawValue;

/// A request's id: a number or a text. `null` and fractions are none.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Id {
    /// `7`
    Number(i64),
    /// `"7"`
    Text(String),
}

/// A message that is JSON-RPC as far as the outermost layer shows.
#[derive(Debug)]
pub(super) struct Envelope<'b> {
    /// None: a notification, or an answer.
    pub id: Option<Id>,
    /// None: an answer.
    pub method: Option<Cow<'b, str>>,
    /// Unread.
    pub params: Option<&'b RawValue>,
}

/// Why a body is no message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoMessage {
    /// Not JSON, or not UTF-8: -32700.
    #[error("Parse error: the body is not JSON in UTF-8")]
    Syntax,
    /// JSON, but not one JSON-RPC 2.0 message: -32600.
    #[error("Invalid request: {0}")]
    Shape(&'static str),
}

impl NoMessage {
    /// The JSON-RPC error code.
    pub(super) fn code(&self) -> i32 {
        match self {
            Self::Syntax => -32700,
            Self::Shape(_) => -32600,
        }
    }
}

#[derive(Deserialize)]
struct Wire<'b> {
    #[serde(borrow)]
    jsonrpc: Cow<'b, str>,
    #[serde(borrow, default)]
    id: Option<&'b RawValue>,
    #[serde(borrow, default)]
    method: Option<Cow<'b, str>>,
    #[serde(borrow, default)]
    params: Option<&'b RawValue>,
}

#[derive(Deserialize)]
struct Cancelled {
    #[serde(rename = "requestId")]
    request_id: Id,
}

impl<'b> Envelope<'b> {
    /// Reads the outermost layer. A key that stands twice is refused, so that no two readers see
    /// two messages.
    pub(super) fn read(body: &'b [u8]) -> Result<Self, NoMessage> {
        let wire: Wire<'b> = match serde_json::from_slice(body) {
            Ok(wire) => wire,
            Err(_) => return Err(why_none(body)),
        };
        if wire.jsonrpc != "2.0" {
            return Err(NoMessage::Shape("`jsonrpc` must be \"2.0\""));
        }
        let id = match wire.id {
            None => None,
            Some(raw) => match serde_json::from_str(raw.get()) {
                Ok(id) => Some(id),
                Err(_) => return Err(NoMessage::Shape("`id` must be an integer or a string")),
            },
        };
        Ok(Self {
            id,
            method: wire.method,
            params: wire.params,
        })
    }

    /// The call that a `notifications/cancelled` names.
    pub(super) fn cancels(&self) -> Option<Id> {
        if self.method.as_deref() != Some("notifications/cancelled") {
            return None;
        }
        let cancelled: Cancelled = serde_json::from_str(self.params?.get()).ok()?;
        Some(cancelled.request_id)
    }

    /// The id of a tool call.
    pub(super) fn tool_call(&self) -> Option<&Id> {
        self.id
            .as_ref()
            .filter(|_| self.method.as_deref() == Some("tools/call"))
    }
}

fn why_none(body: &[u8]) -> NoMessage {
    if serde_json::from_slice::<IgnoredAny>(body).is_err() || std::str::from_utf8(body).is_err() {
        return NoMessage::Syntax;
    }
    match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'[') => NoMessage::Shape("batches are not part of MCP; send one message"),
        Some(_) | None => NoMessage::Shape("the body must be one JSON-RPC 2.0 message"),
    }
}

/// A JSON-RPC error message.
pub(super) fn error(id: Option<&Id>, code: i32, message: &str) -> Vec<u8> {
    serde_json::json!({
        "jsonrpc": "2.0",
        "id": id,
        "error": { "code": code, "message": message },
    })
    .to_string()
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_message_is_said_in_json_rpcs_words() {
        for (body, code) in [
            (&b""[..], -32700),
            (b"{", -32700),
            (b"hello", -32700),
            (
                b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}",
                -32700,
            ),
            (
                b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{\"x\":\"\xff\"}}",
                -32700,
            ),
            (b"[]", -32600),
            (
                b"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]",
                -32600,
            ),
            (b"7", -32600),
            (b"{}", -32600),
            (
                b"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"ping\"}",
                -32600,
            ),
            (
                b"{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"ping\"}",
                -32600,
            ),
            (
                b"{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"ping\"}",
                -32600,
            ),
            (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":7}", -32600),
            (
                b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a\",\"method\":\"b\"}",
                -32600,
            ),
        ] {
            let why = Envelope::read(body).unwrap_err();
            assert_eq!(why.code(), code, "{}: {why}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn a_message_shows_its_id_and_what_it_cancels() {
        let call =
            Envelope::read(br#"{"jsonrpc":"2.0","id":"a\n","method":"tools/call","params":{}}"#)
                .unwrap();
        assert_eq!(call.tool_call(), Some(&Id::Text("a\n".to_owned())));
        let cancel = Envelope::read(
            br#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":4,"reason":"x"}}"#,
        )
        .unwrap();
        assert_eq!(cancel.cancels(), Some(Id::Number(4)));
        assert_eq!(cancel.tool_call(), None, "a notification is no call");
    }
}
