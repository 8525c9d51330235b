use super::*;

#[test]
fn the_words_of_ssh_are_understood() {
    for (stderr, want) in [
        (
            "ssh: Could not resolve hostname nowhere: Name or service not known",
            Reason::UnknownHost,
        ),
        (
            "ssh: connect to host 127.0.0.1 port 9: Connection refused",
            Reason::Refused,
        ),
        (
            "kex_exchange_identification: Connection closed by remote host\nConnection closed by 127.0.0.1 port 22",
            Reason::Refused,
        ),
        (
            "ssh: connect to host h port 22: Connection timed out",
            Reason::TimedOut,
        ),
        (
            "Connection timed out during banner exchange\nConnection to h port 22 timed out",
            Reason::TimedOut,
        ),
        (
            "ssh: connect to host h port 22: No route to host",
            Reason::NoRoute,
        ),
        (
            "me@h: Permission denied (publickey,password).",
            Reason::AuthFailed,
        ),
        (
            "me@bastion: Permission denied (publickey).\nConnection closed by UNKNOWN port 65535",
            Reason::AuthFailed,
        ),
        (
            "Load key \"/k\": Permission denied\nme@h: Permission denied (publickey).",
            Reason::AuthFailed,
        ),
        (
            "Received disconnect from 1.2.3.4 port 22:2: Too many authentication failures",
            Reason::AuthFailed,
        ),
        (
            "No ED25519 host key is known for h and you have requested strict checking.\nHost key verification failed.",
            Reason::HostKeyUnknown,
        ),
        (
            "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nHost key verification failed.",
            Reason::HostKeyChanged,
        ),
        (
            "mux_client_request_session: session request failed: Session open refused by peer\nConnection closed by UNKNOWN port 65535",
            Reason::TooManySessions,
        ),
        (
            "Control socket connect(/x/c): Connection refused",
            Reason::Lost,
        ),
        (
            "mux_client_forward: forwarding request failed: remote port forwarding failed for listen port 1615",
            Reason::PortTaken,
        ),
        (
            "channel 0: open failed: administratively prohibited: open failed\nstdio forwarding failed",
            Reason::ForwardingForbidden,
        ),
        (
            "command-line: line 0: Bad configuration option: nonsense",
            Reason::BadConfig,
        ),
        (
            "Unable to negotiate with h port 22: no matching host key type found",
            Reason::BadConfig,
        ),
        ("something new", Reason::Other),
        ("", Reason::Other),
    ] {
        let failure = Failure::of(stderr);
        assert_eq!(failure.reason, want, "{stderr}");
        let problem = failure.problem("me@h");
        assert!(
            problem.message.ends_with('.') && problem.hint.ends_with(['.', ')']),
            "{problem:?}"
        );
    }
}

#[test]
fn a_session_that_failed_is_told_from_a_command_that_did() {
    let lost = "Connection closed by UNKNOWN port 65535";
    assert_eq!(
        Failure::of_session(lost).map(|f| f.reason),
        Some(Reason::Lost)
    );
    let full = "mux_client_request_session: session request failed: Session open refused by peer";
    assert_eq!(
        Failure::of_session(full).map(|f| f.reason),
        Some(Reason::TooManySessions)
    );
    assert_eq!(
        Failure::of_session("git: Permission denied (publickey)."),
        None
    );
    assert_eq!(Failure::of_session("curl: Connection refused"), None);
}

#[test]
fn a_line_of_the_host_cannot_deceive() {
    let failure = Failure::of("\u{1b}[2Jme@h: Permission denied (\u{202e}x).");
    assert!(failure.detail.contains("⟨U+001B⟩") && failure.detail.contains("⟨U+202E⟩"));
    assert!(failure.needs_human());
}

#[test]
fn a_refused_sign_in_names_what_the_host_takes() {
    for (ways, named) in [
        ("(publickey)", "authorized_keys"),
        ("(publickey,password)", "password and code"),
        ("(keyboard-interactive)", "password and code"),
        ("(publickey,gssapi-with-mic)", "authorized_keys"),
    ] {
        let failure = Failure::of(&format!("me@password: Permission denied {ways}."));
        let problem = failure.problem("me@password");
        assert!(problem.hint.contains(named), "{ways}: {problem:?}");
    }
}
