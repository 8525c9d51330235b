//! The programs that look after a remote host: they end what is left, see where a port listens, and
//! send the proof of a tunnel.

use std::time::Duration;

use iris_domain::ids::SessionId;

use super::{COMMON, HALT, LISTENING, Nonce, PROVE, Run, SWEEP, folder_name, line};
use crate::secrets::Secret;

/// What to sweep.
#[derive(Default)]
struct Extent<'a> {
    live: &'a [SessionId],
    only: Option<Run>,
    leaving: bool,
}

/// At each connect, before anything is started: ends every run of this Iris that is not `live`, and
/// the sshd of an earlier connection of this link, which may hold the tunnel's port. `live`: the
/// sessions with an agent on this account, over whatever link. Answers [`super::Said::Swept`].
pub fn sweep(nonce: &Nonce, instance: &str, link: &str, live: &[SessionId]) -> String {
    let extent = Extent {
        live,
        ..Extent::default()
    };
    program(nonce, instance, link, &extent)
}

/// Ends one run: its `ssh` had to be killed, which the far end does not notice while the link stands.
/// The next run of the session may have begun. Answers [`super::Said::Swept`].
pub fn end(nonce: &Nonce, instance: &str, run: Run) -> String {
    let extent = Extent {
        only: Some(run),
        ..Extent::default()
    };
    program(nonce, instance, "", &extent)
}

/// Before an orderly end of the link: as [`sweep`], and nothing of this link stays on disk. Answers
/// [`super::Said::Swept`].
pub fn leave(nonce: &Nonce, instance: &str, link: &str, live: &[SessionId]) -> String {
    let extent = Extent {
        live,
        leaving: true,
        ..Extent::default()
    };
    program(nonce, instance, link, &extent)
}

/// Asks on which addresses a port listens: an sshd with `GatewayPorts yes` opens a tunnel to the
/// world. Answers [`super::Said::Listening`].
pub fn listening(nonce: &Nonce, port: u16) -> String {
    let values = [
        ("nonce", nonce.as_str()),
        ("instance", ""),
        ("port", &port.to_string()),
        ("hex", &format!("{port:04X}")),
    ];
    in_one_line(&values, LISTENING)
}

/// What an agent on the host is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Halt {
    /// Stop where it stands, with all that it started.
    Stop,
    /// Go on.
    GoOn,
}

/// Stops the agent of one run, or lets it go on. Answers [`super::Said::Halted`].
pub fn halt(nonce: &Nonce, instance: &str, run: Run, what: Halt) -> String {
    let values = [
        ("nonce", nonce.as_str()),
        ("instance", &folder_name(instance)),
        ("only", &run.to_string()),
        (
            "signal",
            match what {
                Halt::Stop => "STOP",
                Halt::GoOn => "CONT",
            },
        ),
    ];
    in_one_line(&values, HALT)
}

/// A nonce that the host itself is to send to the remote end of a tunnel.
#[derive(Debug)]
pub struct Errand<'a> {
    /// The port there.
    pub port: u16,
    /// The port of the endpoint here, by which it knows itself.
    pub own_port: u16,
    /// The nonce.
    pub secret: &'a Secret,
    /// Nobody gets it who does not show a certificate of this authority.
    pub ca_pem: &'a str,
    /// How long that may take.
    pub at_most: Duration,
}

/// Sends the nonce of a proof, where the host forwards nothing to its own ports. Answers
/// [`super::Said::Sent`] or [`super::Said::Unsent`].
pub fn prove(nonce: &Nonce, instance: &str, errand: &Errand<'_>) -> String {
    let values = [
        ("nonce", nonce.as_str()),
        ("instance", &folder_name(instance)),
        ("port", &errand.port.to_string()),
        ("own", &format!("127.0.0.1:{}", errand.own_port)),
        ("secret", errand.secret.expose()),
        ("ca", errand.ca_pem.trim_end()),
        ("limit", &errand.at_most.as_secs().max(1).to_string()),
    ];
    in_one_line(&values, PROVE)
}

fn program(nonce: &Nonce, instance: &str, link: &str, extent: &Extent<'_>) -> String {
    let mut live = String::from(" ");
    for session in extent.live {
        live.push_str(&session.to_string());
        live.push(' ');
    }
    let only = extent.only.map(|run| run.to_string());
    let values = [
        ("nonce", nonce.as_str()),
        ("instance", &folder_name(instance)),
        // A run's folder has a point in its name, a link has none.
        ("link", &format!("link-{}", folder_name(link))),
        ("live", &live),
        ("only", only.as_deref().unwrap_or_default()),
        ("leaving", if extent.leaving { "1" } else { "" }),
    ];
    in_one_line(&values, SWEEP)
}

/// The values are letters, digits, spaces and `-_+/=:.`: there is nothing to quote in them.
fn in_one_line(values: &[(&str, &str)], script: &str) -> String {
    let mut program = String::new();
    for (name, value) in values {
        program.push_str(&format!("iris_{name}='{value}'\n"));
    }
    program.push_str(COMMON);
    program.push_str(script);
    // No NUL is in any of it.
    line::encode(&program).map_or_else(|_| String::new(), |line| line.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_one_line_and_quotes_cannot_get_out() {
        let nonce = Nonce::random();
        let session = SessionId(uuid::Uuid::from_u128(7));
        let errand = Errand {
            port: 80,
            own_port: 81,
            secret: &Secret::random(),
            ca_pem: "-----BEGIN CERTIFICATE-----\nabc+/=\n-----END CERTIFICATE-----\n",
            at_most: Duration::from_secs(2),
        };
        for line in [
            sweep(&nonce, "a'; rm -rf ~ '", "l'\n", &[session]),
            end(&nonce, "a", Run::of(session)),
            leave(&nonce, "a", "l", &[]),
            halt(&nonce, "a'; rm -rf ~ '", Run::of(session), Halt::Stop),
            listening(&nonce, 80),
            prove(&nonce, "a'; rm -rf ~ '", &errand),
        ] {
            assert!(line.starts_with("n=") && !line.contains(['\n', '\0']));
            assert!(!line.contains("rm -rf ~"));
        }
    }
}
