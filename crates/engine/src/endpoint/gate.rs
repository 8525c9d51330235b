//! What a request's head must be before anything is done with it. Pure.

use http::{
    HeaderMap, HeaderName,
    header::{
        AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, ORIGIN,
        TRANSFER_ENCODING,
    },
    request::Parts,
};
use iris_domain::ids::SessionId;

use super::ports::OwnPorts;

/// The names of the loopback interface.
const NAMES: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];
/// How an origin of the endpoint can begin.
const SCHEMES: [&str; 2] = ["http://", "https://"];

/// The authorities and origins that are us. A browser page that was made to talk to us (DNS
/// rebinding) shows another Host or Origin.
#[derive(Debug, Clone)]
pub(super) struct OwnNames {
    /// Of the listener itself.
    authorities: [String; 3],
    /// Of the remote ends of tunnels.
    ports: OwnPorts,
}

/// Why a request does not come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    /// A header that may stand once stands twice: two readers could see two requests.
    #[error("this header may stand only once: {0}")]
    Duplicate(&'static str),
    /// Both ways to say where the body ends.
    #[error("a body has either a length or chunks")]
    Framing,
    /// Compressed bodies are not read.
    #[error("send the body without a content encoding")]
    Encoding,
    /// No Host, or one that is not us.
    #[error("this Host is not served here")]
    Host,
    /// A page from elsewhere.
    #[error("this Origin may not call")]
    Origin,
}

impl OwnNames {
    /// The names of the loopback listener on this port, and of the tunnels that end at it: through
    /// one, the remote port comes in as Host.
    pub(super) fn of(port: u16, ports: OwnPorts) -> Self {
        Self {
            authorities: NAMES.map(|name| format!("{name}:{port}")),
            ports,
        }
    }

    fn has_authority(&self, text: &str) -> bool {
        let own = |own: &String| own.eq_ignore_ascii_case(text);
        self.authorities.iter().any(own)
            || ports_of(text).is_some_and(|ports| self.ports.has_one_of(&ports))
    }

    fn has_origin(&self, text: &str) -> bool {
        SCHEMES.iter().any(|scheme| {
            without(text, scheme).is_some_and(|authority| self.has_authority(authority))
        })
    }
}

/// The port of a loopback authority, in its only spelling. One that names no port means that of its
/// scheme, which does not stand in the head: either.
fn ports_of(authority: &str) -> Option<[u16; 2]> {
    let rest = NAMES.iter().find_map(|name| without(authority, name))?;
    if rest.is_empty() {
        return Some([443, 80]);
    }
    let digits = rest.strip_prefix(':')?;
    let port: u16 = digits.parse().ok()?;
    (port.to_string() == digits).then_some([port; 2])
}

/// The text after this prefix, whose case does not count.
fn without<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// Checks the head.
pub(super) fn check(parts: &Parts, own: &OwnNames) -> Result<(), Refused> {
    const ONCE: [(HeaderName, &str); 6] = [
        (HOST, "host"),
        (ORIGIN, "origin"),
        (AUTHORIZATION, "authorization"),
        (CONTENT_LENGTH, "content-length"),
        (CONTENT_TYPE, "content-type"),
        (TRANSFER_ENCODING, "transfer-encoding"),
    ];
    for (name, text) in &ONCE {
        if parts.headers.get_all(name).iter().nth(1).is_some() {
            return Err(Refused::Duplicate(text));
        }
    }
    if parts.headers.contains_key(CONTENT_LENGTH) && parts.headers.contains_key(TRANSFER_ENCODING) {
        return Err(Refused::Framing);
    }
    if parts.headers.contains_key(CONTENT_ENCODING) {
        return Err(Refused::Encoding);
    }
    if !text(&parts.headers, &HOST).is_some_and(|host| own.has_authority(host)) {
        return Err(Refused::Host);
    }
    // `POST http://elsewhere/mcp`: the target names the server as the Host header does.
    if parts
        .uri
        .authority()
        .is_some_and(|authority| !own.has_authority(authority.as_str()))
    {
        return Err(Refused::Host);
    }
    if parts.headers.contains_key(ORIGIN)
        && !text(&parts.headers, &ORIGIN).is_some_and(|origin| own.has_origin(origin))
    {
        return Err(Refused::Origin);
    }
    Ok(())
}

/// What stands before a nonce.
pub(super) const PROBE: &str = "/probe/";

/// Where a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// `/healthz`: says that this is Iris.
    Health,
    /// `/probe/{nonce}`: whether a tunnel ends here.
    Probe,
    /// `/metrics`: for scrapers.
    Metrics,
    /// `/mcp`: the console's.
    Console,
    /// `/mcp/{session}`: an agent's.
    Session(SessionId),
    /// Everything else. `/.well-known/*` too: an answer there makes clients start OAuth.
    Nowhere,
}

/// The route of a path. Only the canonical spelling of a session id is one.
pub(super) fn route(path: &str) -> Route {
    match path {
        "/healthz" => Route::Health,
        "/mcp" => Route::Console,
        "/metrics" => Route::Metrics,
        _ if path.starts_with(PROBE) => Route::Probe,
        _ => path
            .strip_prefix("/mcp/")
            .and_then(|id| {
                id.parse::<SessionId>()
                    .ok()
                    .filter(|parsed| parsed.to_string() == id)
            })
            .map_or(Route::Nowhere, Route::Session),
    }
}

/// The bearer token that was presented.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = text(headers, &AUTHORIZATION)?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim_matches(' '))
}

/// Whether the body is said to be JSON.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    text(headers, &CONTENT_TYPE).is_some_and(|value| {
        let essence = value.split(';').next().unwrap_or_default();
        essence.trim().eq_ignore_ascii_case("application/json")
    })
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::post(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn only_our_own_names_come_in() {
        let own = OwnNames::of(1615, OwnPorts::default());
        let good = ("host", "127.0.0.1:1615");
        for (uri, headers, expected) in [
            ("/mcp", vec![good], Ok(())),
            ("/mcp", vec![("host", "LOCALHOST:1615")], Ok(())),
            ("/mcp", vec![("host", "[::1]:1615")], Ok(())),
            ("/mcp", vec![], Err(Refused::Host)),
            ("/mcp", vec![("host", "127.0.0.1")], Err(Refused::Host)),
            ("/mcp", vec![("host", "127.0.0.1:1616")], Err(Refused::Host)),
            (
                "/mcp",
                vec![("host", "evil.example:1615")],
                Err(Refused::Host),
            ),
            (
                "/mcp",
                vec![("host", "127.0.0.1:1615.evil.example")],
                Err(Refused::Host),
            ),
            ("/mcp", vec![good, good], Err(Refused::Duplicate("host"))),
            ("http://127.0.0.1:1615/mcp", vec![good], Ok(())),
            ("http://evil.example/mcp", vec![good], Err(Refused::Host)),
            (
                "http://x@127.0.0.1:1615/mcp",
                vec![good],
                Err(Refused::Host),
            ),
            (
                "/mcp",
                vec![good, ("origin", "http://localhost:1615")],
                Ok(()),
            ),
            (
                "/mcp",
                vec![good, ("origin", "https://localhost:1615")],
                Ok(()),
            ),
            (
                "/mcp",
                vec![good, ("origin", "ftp://localhost:1615")],
                Err(Refused::Origin),
            ),
            (
                "/mcp",
                vec![good, ("origin", "http://localhost")],
                Err(Refused::Origin),
            ),
            (
                "/mcp",
                vec![good, ("origin", "https://evil.example")],
                Err(Refused::Origin),
            ),
            ("/mcp", vec![good, ("origin", "null")], Err(Refused::Origin)),
            ("/mcp", vec![good, ("origin", "")], Err(Refused::Origin)),
            (
                "/mcp",
                vec![good, ("content-length", "1"), ("content-length", "1")],
                Err(Refused::Duplicate("content-length")),
            ),
            (
                "/mcp",
                vec![good, ("authorization", "a"), ("authorization", "b")],
                Err(Refused::Duplicate("authorization")),
            ),
            (
                "/mcp",
                vec![
                    good,
                    ("content-length", "1"),
                    ("transfer-encoding", "chunked"),
                ],
                Err(Refused::Framing),
            ),
            (
                "/mcp",
                vec![good, ("content-encoding", "gzip")],
                Err(Refused::Encoding),
            ),
        ] {
            assert_eq!(
                check(&head(uri, &headers), &own),
                expected,
                "{uri} {headers:?}"
            );
        }
    }

    #[test]
    fn the_remote_end_of_a_tunnel_is_us_while_it_is_admitted() {
        let ports = OwnPorts::default();
        let own = OwnNames::of(1615, ports.clone());
        let head = |host: &str, origin: &str| head("/mcp", &[("host", host), ("origin", origin)]);
        let tunnel = head("127.0.0.1:2222", "https://LOCALHOST:2222");
        assert_eq!(check(&tunnel, &own), Err(Refused::Host));
        let (guard, another) = (ports.admit(2222), ports.admit(2222));
        assert_eq!(check(&tunnel, &own), Ok(()));
        for (host, origin, refused) in [
            ("evil.example:2222", "http://127.0.0.1:2222", Refused::Host),
            ("127.0.0.1:02222", "http://127.0.0.1:2222", Refused::Host),
            ("127.0.0.1:+2222", "http://127.0.0.1:2222", Refused::Host),
            ("127.0.0.1:2223", "http://127.0.0.1:2222", Refused::Host),
            ("127.0.0.1", "http://127.0.0.1:2222", Refused::Host),
            ("127.0.0.1:", "http://127.0.0.1:2222", Refused::Host),
            ("127.0.0.1x:2222", "http://127.0.0.1:2222", Refused::Host),
            (
                "127.0.0.1:2222",
                "http://evil.example:2222",
                Refused::Origin,
            ),
            ("127.0.0.1:2222", "http://127.0.0.1:2222/", Refused::Origin),
            ("127.0.0.1:2222", "http://127.0.0.1", Refused::Origin),
            ("127.0.0.1:2222", "127.0.0.1:2222", Refused::Origin),
        ] {
            let said = check(&head(host, origin), &own);
            assert_eq!(said, Err(refused), "{host} {origin}");
        }
        drop(guard);
        assert_eq!(check(&tunnel, &own), Ok(()), "another tunnel has it still");
        drop(another);
        assert_eq!(check(&tunnel, &own), Err(Refused::Host), "the tunnel ended");
        let guard = ports.admit(443);
        let bare = head("127.0.0.1", "https://127.0.0.1");
        assert_eq!(check(&bare, &own), Ok(()), "443 is not written in https");
        drop(guard);
    }

    #[test]
    fn a_path_has_one_spelling() {
        let id = "0190a3e2-7c1b-4d5e-8f00-000000000001";
        assert_eq!(route("/mcp"), Route::Console);
        assert_eq!(route("/healthz"), Route::Health);
        assert_eq!(route("/metrics"), Route::Metrics);
        assert_eq!(
            route(&format!("/mcp/{id}")),
            Route::Session(id.parse().unwrap())
        );
        for path in [
            "/",
            "/mcp/",
            "/MCP",
            "/mcp/x",
            "//mcp",
            "/healthz/",
            "/metrics/",
            "/.well-known/oauth-authorization-server",
            &format!("/mcp/{}", id.to_uppercase()),
            &format!("/mcp/{id}/"),
            &format!("/mcp/{{{id}}}"),
            &format!("/mcp/{}", id.replace('-', "")),
        ] {
            assert_eq!(route(path), Route::Nowhere, "{path} is nothing");
        }
    }

    #[test]
    fn a_bearer_token_is_what_stands_after_bearer() {
        for (value, expected) in [
            ("Bearer abc", Some("abc")),
            ("bearer  abc", Some("abc")),
            ("Bearer ", Some("")),
            ("Bearer", None),
            ("Basic abc", None),
            ("Bearerabc", None),
        ] {
            let parts = head("/mcp", &[("authorization", value)]);
            assert_eq!(bearer(&parts.headers), expected, "{value:?}");
        }
    }
}
