//! Tool calls that are plainly what they say are answered here. rmcp 3.9 starts a service of four
//! tasks for each request: most of what a quick call costs (bench `calls`). A call that is not
//! plain (a header that contradicts the body, an unknown version, a shape that is none) goes to
//! rmcp, which judges it and finds the words.

use std::sync::Arc;

use futures::stream::BoxStream;
use http::{HeaderMap, HeaderName, header::ACCEPT};
use rmcp::{
    ErrorData,
    model::{CallToolRequestParams, CallToolResult, ProtocolVersion},
};
use serde::Serialize;

use super::{
    early::Progress,
    envelope::{self, Envelope, Id},
};
use crate::tokens::Caller;

const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");

/// What runs tools. Every call is answered, also one whose tool panics; dropping the future ends
/// the call.
pub(super) trait Answers: Clone + Send + Sync + 'static {
    /// Runs a tool for a caller.
    fn call(
        &self,
        caller: Arc<Caller>,
        params: CallToolRequestParams,
    ) -> impl Future<Output = Result<CallToolResult, ErrorData>> + Send;

    /// What happens while the call waits, as it changes; `None`: nothing can be said.
    fn progress(
        &self,
        caller: &Caller,
        params: &CallToolRequestParams,
    ) -> Option<BoxStream<'static, String>>;
}

/// A tool call that the protocol has nothing against.
#[derive(Debug)]
pub(super) struct Plain {
    id: Id,
    params: CallToolRequestParams,
    /// Era 2026-07-28, whose results name their type.
    modern: bool,
}

#[derive(Serialize)]
struct Answered<'a> {
    jsonrpc: &'static str,
    id: &'a Id,
    result: CallToolResult,
}

impl Plain {
    /// The call of this message; `None`: rmcp has to look at it.
    pub(super) fn of(headers: &HeaderMap, message: &Envelope<'_>) -> Option<Self> {
        let id = message.tool_call()?.clone();
        let params: CallToolRequestParams = serde_json::from_str(message.params?.get()).ok()?;
        if !takes_both(headers) {
            return None;
        }
        let modern = is_modern(headers, &params)?;
        Some(Self { id, params, modern })
    }

    /// What the client of this call hears while it waits, if it wants to.
    pub(super) fn progress(&self, tools: &impl Answers, caller: &Caller) -> Option<Progress> {
        let token = self.params.meta.as_ref()?.get_progress_token()?;
        let doing = tools.progress(caller, &self.params);
        Some(Progress::new(token, doing))
    }

    /// Runs the tool; the message that answers the call.
    pub(super) async fn answer(self, tools: impl Answers, caller: Arc<Caller>) -> Vec<u8> {
        match tools.call(caller, self.params).await {
            Ok(mut result) => {
                if !self.modern {
                    result.result_type = None;
                }
                let answered = Answered {
                    jsonrpc: "2.0",
                    id: &self.id,
                    result,
                };
                serde_json::to_vec(&answered).unwrap_or_else(|error| {
                    tracing::error!(%error, "a tool's result could not be written as JSON");
                    envelope::error(Some(&self.id), -32603, "Iris could not write the result")
                })
            }
            Err(error) => envelope::error(Some(&self.id), error.code.0, &error.message),
        }
    }
}

/// Which era the call is of, where headers and body agree on it.
fn is_modern(headers: &HeaderMap, params: &CallToolRequestParams) -> Option<bool> {
    if headers
        .keys()
        .any(|name| name.as_str().starts_with("mcp-param-"))
    {
        return None;
    }
    let version = one(headers, &VERSION)?;
    let (method, name) = (one(headers, &METHOD)?, one(headers, &NAME)?);
    let meta = params.meta.as_ref();
    match meta.and_then(|meta| Some((meta, meta.protocol_version()?))) {
        None => {
            let known = |version: &str| {
                ProtocolVersion::KNOWN_VERSIONS
                    .iter()
                    .any(|known| known.as_str() == version)
            };
            // rmcp takes a call without a version for one of 2025-03-26.
            let legacy = version.is_none_or(|version| {
                known(version) && version < ProtocolVersion::V_2026_07_28.as_str()
            });
            (legacy && method.is_none() && name.is_none()).then_some(false)
        }
        Some((meta, said)) => {
            let agreed = said == ProtocolVersion::V_2026_07_28
                && version == Some(said.as_str())
                && meta.missing_required_keys(&said).is_empty()
                && method == Some("tools/call")
                && name == Some(&*params.name);
            agreed.then_some(true)
        }
    }
}

/// Whether the client takes JSON and event streams, said without weights.
fn takes_both(headers: &HeaderMap) -> bool {
    let Some(Some(accept)) = one(headers, &ACCEPT) else {
        return false;
    };
    let takes = |kind: &str| accept.split(',').any(|one| one.trim() == kind);
    takes("application/json") && takes("text/event-stream")
}

/// A header that stands once (or not at all) and is text.
fn one<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<Option<&'h str>> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return None;
    }
    match first {
        None => Some(None),
        Some(value) => value.to_str().ok().map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const META: &str = r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"progressToken":"p"}"#;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, http::HeaderValue::from_static(value));
        }
        headers
    }

    fn era(lines: &[(&'static str, &'static str)], body: &str) -> Option<bool> {
        let message = Envelope::read(body.as_bytes()).unwrap();
        Plain::of(&headers(lines), &message).map(|plain| plain.modern)
    }

    #[test]
    fn only_what_headers_and_body_agree_on_is_plain() {
        const BOTH: (&str, &str) = ("accept", "application/json, text/event-stream");
        let old = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a"}}"#;
        let new = &format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"a","_meta":{META}}}}}"#
        );
        let new_headers = [
            BOTH,
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", "a"),
        ];
        assert_eq!(era(&[BOTH], old), Some(false), "no version");
        assert_eq!(
            era(&[BOTH, ("mcp-protocol-version", "2025-11-25")], old),
            Some(false)
        );
        assert_eq!(era(&new_headers, new), Some(true));

        let spoilt = |index: usize, value: &'static str| {
            let mut lines = new_headers;
            lines[index].1 = value;
            era(&lines, new)
        };
        for (index, value) in [
            (0, "application/json"),
            (0, "application/json, text/event-stream;q=0"),
            (1, "2025-11-25"),
            (1, "2027-01-01"),
            (2, "tools/list"),
            (3, "b"),
            (3, "A"),
        ] {
            assert_eq!(spoilt(index, value), None, "{value} at {index}");
        }
        for (lines, body) in [
            (vec![], old),
            (vec![BOTH, BOTH], old),
            (vec![BOTH, ("mcp-protocol-version", "2026-07-28")], old),
            (vec![BOTH, ("mcp-protocol-version", "1999-01-01")], old),
            (vec![BOTH, ("mcp-name", "b")], old),
            (vec![BOTH, ("mcp-param-x", "b")], old),
            (vec![BOTH], new),
        ] {
            assert_eq!(era(&lines, body), None, "{lines:?} {body}");
        }
    }

    #[test]
    fn what_is_no_call_is_not_plain() {
        for body in [
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#,
            r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"a"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":1}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"b"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":[]}}"#,
        ] {
            let lines = [("accept", "application/json, text/event-stream")];
            assert_eq!(era(&lines, body), None, "{body}");
        }
    }
}
