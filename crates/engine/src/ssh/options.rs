//! The options that are Iris's own: of a master, and of what goes over its control socket.

use std::{
    ffi::{OsStr, OsString},
    path::Path,
};

use super::{Failure, Reason, Target, resolved::Settings};

/// What the master says when it is signed in. `ssh` runs `LocalCommand` when it listens on the
/// control socket already (measured with 9.2).
pub(super) const UP: &str = "iris-connection-is-up";
/// The longest path of a control socket: 104 bytes on macOS with the final NUL, and `ssh` binds
/// under a name that is 17 characters longer.
const SOCKET_PATH_MAX: usize = 86;

/// Where the user does not say otherwise: seconds until a host that says nothing counts as down.
/// Without it `ssh` waits as long as the system's TCP does, which is minutes.
const CONNECT_TIMEOUT: &str = "30";
/// Where neither the team nor the user's configuration says otherwise; `ssh` gives up after three that were not answered.
const ALIVE_INTERVAL: &str = "15";

/// `-o NAME=VALUE`.
pub(super) fn option(name: &str, value: impl AsRef<OsStr>) -> [OsString; 2] {
    let mut word = OsString::from(format!("{name}="));
    word.push(value);
    ["-o".into(), word]
}

/// The bind address is always explicit: without it, the host's `GatewayPorts` would decide.
pub(super) fn tunnel(remote_port: u16, to_port: u16) -> String {
    format!("127.0.0.1:{remote_port}:127.0.0.1:{to_port}")
}

/// Options of an `ssh` that only uses a control socket. It reads no configuration, which could
/// say more (a jump host, variables to send), and a connection of its own would go through a
/// program that fails.
pub(super) fn over(socket: &Path) -> Vec<OsString> {
    let mut args: Vec<OsString> = vec!["-F".into(), "none".into(), "-S".into(), socket.into()];
    args.extend(option("ControlMaster", "no"));
    args.extend(option("ProxyCommand", "false"));
    args
}

/// The master's own options. They come first, because `ssh` takes the first that it is told.
pub(super) fn master(
    socket: &Path,
    target: &Target,
    settings: &Settings,
) -> Result<Vec<OsString>, Failure> {
    let path = socket.as_os_str().as_encoded_bytes();
    // `ssh` replaces both in the path.
    if path.len() > SOCKET_PATH_MAX || path.contains(&b'%') || path.windows(2).any(|w| w == b"${") {
        return Err(Failure::new(
            Reason::BadConfig,
            &format!(
                "{} cannot be a control socket: set IRIS_HOME to a short, plain path",
                socket.display()
            ),
        ));
    }
    let mut args: Vec<OsString> = ["-M", "-N", "-T", "-S"].map(OsString::from).to_vec();
    args.push(socket.into());
    for (name, value) in [
        ("ControlPersist", "no"),
        ("ExitOnForwardFailure", "yes"),
        // Those of the user's configuration are for their terminal, which may have them already.
        ("ClearAllForwardings", "yes"),
        ("PermitLocalCommand", "yes"),
        ("RemoteCommand", "none"),
        // It would silence the questions.
        ("BatchMode", "no"),
        // Without the host's banner: it could say anything among what is read as words of `ssh`.
        ("LogLevel", "ERROR"),
    ] {
        args.extend(option(name, value));
    }
    args.extend(option("LocalCommand", format!("echo {UP}")));
    // Not known to all versions; where it is, `ssh -G` shows it.
    if settings.get("forkafterauthentication").is_some() {
        args.extend(option("ForkAfterAuthentication", "no"));
    }
    // Where the user's settings are at least as strict they stay.
    if !matches!(settings.get("stricthostkeychecking"), Some("true" | "yes")) {
        args.extend(option("StrictHostKeyChecking", "ask"));
    }
    args.extend(option("NoHostAuthenticationForLocalhost", "no"));
    if matches!(settings.get("connecttimeout"), None | Some("none" | "0")) {
        args.extend(option("ConnectTimeout", CONNECT_TIMEOUT));
    }
    // 0 is what `ssh` has by itself; only a team that says so means it.
    let unset = matches!(settings.get("serveraliveinterval"), None | Some("0"));
    if unset && !target.sets("ServerAliveInterval") {
        args.extend(option("ServerAliveInterval", ALIVE_INTERVAL));
    }
    Ok(args)
}
