//! A client's message, and what the endpoint wants in its headers beside it.

use http::{HeaderMap, HeaderName, HeaderValue};
use iris_domain::{Problem, request::REQUEST_MAX};
use serde_json::{Value, json};

const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");
/// Where a message of the 2026-07-28 era names its version.
const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";

/// What the client said.
#[derive(Debug)]
pub(super) struct Message {
    text: Vec<u8>,
    read: Value,
}

impl Message {
    /// Reads a line.
    ///
    /// # Errors
    /// What to answer instead. What is JSON but no message is the endpoint's to refuse.
    pub(super) fn read(text: Vec<u8>) -> Result<Self, Vec<u8>> {
        match serde_json::from_slice(&text) {
            Ok(read) => Ok(Self { text, read }),
            Err(error) => Err(error_line(
                &Value::Null,
                -32700,
                &format!("Parse error: {error}"),
                None,
            )),
        }
    }

    /// As it came.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Of a request: something waits for an answer to it.
    pub(super) fn id(&self) -> Option<&Value> {
        self.method()?;
        self.read.get("id")
    }

    fn method(&self) -> Option<&str> {
        self.read.get("method")?.as_str()
    }

    /// The request that the client no longer wants answered.
    pub(super) fn cancels(&self) -> Option<&Value> {
        if self.method()? != "notifications/cancelled" {
            return None;
        }
        self.read.get("params")?.get("requestId")
    }

    /// Whether its answer says which version is spoken.
    pub(super) fn negotiates(&self) -> bool {
        self.method() == Some("initialize")
    }

    /// What stands in the headers of a post. `agreed` is what an `initialize` ended with; a message
    /// of the newer era says its version itself, and its headers repeat what it is for.
    pub(super) fn headers(&self, agreed: Option<&HeaderValue>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        // What no header can say is left out: the endpoint says what is missing.
        let mut set = |name, value: Option<&str>| {
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
                headers.insert(name, value);
            }
        };
        let params = self.read.get("params");
        let of_params = |name: &str| params.and_then(|params| params.get(name));
        let said = of_params("_meta").and_then(|meta| meta.get(META_VERSION));
        if let Some(said) = said {
            set(VERSION, said.as_str());
            set(METHOD, self.method());
            let named = match self.method() {
                Some("tools/call" | "prompts/get") => of_params("name"),
                Some("resources/read") => of_params("uri"),
                _ => None,
            };
            set(NAME, named.and_then(Value::as_str));
        } else if let Some(agreed) = agreed.filter(|_| !self.negotiates()) {
            headers.insert(VERSION, agreed.clone());
        }
        headers
    }
}

/// For a line that is longer than the endpoint takes.
pub(super) fn too_long() -> Vec<u8> {
    let why = format!("Invalid request: a message is one line of at most {REQUEST_MAX} bytes");
    error_line(&Value::Null, -32600, &why, None)
}

/// The answer to a request that Iris did not answer.
pub(super) fn unanswered(id: &Value, problem: &Problem) -> Vec<u8> {
    error_line(
        id,
        -32000,
        &problem.in_one_text(),
        Some(json!({ "code": problem.code })),
    )
}

fn error_line(id: &Value, code: i32, message: &str, data: Option<Value>) -> Vec<u8> {
    let mut error = json!({ "code": code, "message": message });
    if let Some(data) = data {
        error["data"] = data;
    }
    json!({ "jsonrpc": "2.0", "id": id, "error": error })
        .to_string()
        .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Message {
        Message::read(text.into()).unwrap()
    }

    #[test]
    fn a_message_of_the_newer_era_is_repeated_in_its_headers() {
        let call = message(
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_date",
                "_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#,
        );
        let agreed = HeaderValue::from_static("2025-11-25");
        let headers = call.headers(Some(&agreed));
        assert_eq!(headers[VERSION], "2026-07-28");
        assert_eq!(headers[METHOD], "tools/call");
        assert_eq!(headers[NAME], "get_date");
        assert_eq!(call.id(), Some(&json!(1)));
    }

    #[test]
    fn one_of_the_older_era_has_the_version_that_was_agreed_on() {
        let agreed = HeaderValue::from_static("2025-06-18");
        let list = message(r#"{"jsonrpc":"2.0","id":"a","method":"tools/list"}"#);
        assert_eq!(list.headers(Some(&agreed))[VERSION], "2025-06-18");
        assert!(list.headers(None).is_empty());
        let begin = message(r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}"#);
        assert!(begin.headers(Some(&agreed)).is_empty(), "it agrees anew");
    }

    #[test]
    fn only_requests_have_an_id_and_a_cancellation_names_one() {
        let cancel = message(
            r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"7"}}"#,
        );
        assert_eq!((cancel.id(), cancel.cancels()), (None, Some(&json!("7"))));
        let answer = message(r#"{"jsonrpc":"2.0","id":3,"result":{}}"#);
        assert_eq!((answer.id(), answer.cancels()), (None, None));
        let broken = Message::read(b"{".to_vec()).unwrap_err();
        let broken: Value = serde_json::from_slice(&broken).unwrap();
        assert_eq!(
            (&broken["error"]["code"], &broken["id"]),
            (&json!(-32700), &Value::Null)
        );
    }
}
