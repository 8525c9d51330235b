use super::*;

fn words(remote: &str) -> Result<String, TargetError> {
    let target = Target::of(remote, None)?;
    Ok(target.words().join("|"))
}

#[test]
fn a_remote_is_read_as_ssh_reads_its_command_line() {
    for (remote, want) in [
        ("me@host", "--|me@host"),
        ("ssh me@host", "--|me@host"),
        ("alias", "--|alias"),
        (
            "ssh -J bastion me@host -p 2222",
            "-J|bastion|-p|2222|--|me@host",
        ),
        ("-p2222 -4C me@host", "-p2222|-4C|--|me@host"),
        ("-4Cp 2222 me@host", "-4Cp|2222|--|me@host"),
        (
            "ssh -i '~/my keys/id' me@host",
            "-i|~/my keys/id|--|me@host",
        ),
        ("ssh -o Port=22 -- me@host -A", "-o|Port=22|-A|--|me@host"),
        ("ssh ssh://me@[::1]:22", "--|ssh://me@[::1]:22"),
        ("ssh -l me host", "-l|me|--|host"),
        (
            "ssh -o 'ProxyCommand=nc -X 5 %h %p' me@host",
            "-o|ProxyCommand=nc -X 5 %h %p|--|me@host",
        ),
        (
            "ssh -oStrictHostKeyChecking=yes h",
            "-oStrictHostKeyChecking=yes|--|h",
        ),
    ] {
        assert_eq!(words(remote).as_deref(), Ok(want), "{remote}");
    }
}

#[test]
fn what_says_more_than_how_to_connect_is_refused() {
    for remote in ["", "  ", "ssh", "ssh -p 22", "ssh --"] {
        assert_eq!(words(remote), Err(TargetError::NoDestination), "{remote}");
    }
    for remote in [
        "me@host uptime",
        "ssh me@host -p 22 -- rm -rf x",
        "ssh -p 22 a b",
    ] {
        assert!(
            matches!(words(remote), Err(TargetError::Command(_))),
            "{remote}"
        );
    }
    for remote in [
        "ssh -M h",
        "ssh -S x h",
        "ssh -N h",
        "ssh -f h",
        "ssh -W a:1 h",
        "ssh -t h",
        "ssh -T h",
        "ssh -4tC h",
        "ssh -L 1:a:1 h",
        "ssh -R1:a:1 h",
        "ssh -D 1 h",
        "ssh -w 0 h",
        "ssh -O exit h",
        "ssh -q h",
        "ssh -vvv h",
        "ssh -E log h",
        "ssh -G h",
        "ssh -n h",
        "ssh -X h",
        "ssh -s h",
        "ssh -g h",
        "ssh h -N",
        "ssh -o ControlPath=x h",
        "ssh -oControlMaster=auto h",
        "ssh -o 'remotecommand rm' h",
        "ssh -o BATCHMODE=yes h",
        "ssh -o =Tunnel=yes h",
        "ssh -o 'LocalForward = 1 a:1' h",
    ] {
        assert!(
            matches!(words(remote), Err(TargetError::Ours(_))),
            "{remote}"
        );
    }
    for remote in ["ssh -Z h", "ssh -4z h", "ssh --port=22 h", "ssh -ü h"] {
        assert!(
            matches!(words(remote), Err(TargetError::Unknown(_))),
            "{remote}"
        );
    }
    for remote in ["ssh h -p", "ssh h -o"] {
        assert!(
            matches!(words(remote), Err(TargetError::NoValue(_))),
            "{remote}"
        );
    }
    assert_eq!(words("ssh 'h"), Err(TargetError::Quotes));
    assert_eq!(words("ssh -i 'a\0' h"), Err(TargetError::Nul));
    for remote in [
        "me@",
        "@h",
        "ssh -- -oProxyCommand=x",
        "me@-h",
        "'a b'",
        "h;x",
        "'`x`'",
        "'$(x)'",
    ] {
        assert!(
            matches!(words(remote), Err(TargetError::BadDestination(_))),
            "{remote}"
        );
    }
}

#[test]
fn the_checking_of_host_keys_stays_on() {
    for setting in [
        "StrictHostKeyChecking=no",
        "stricthostkeychecking=off",
        "'StrictHostKeyChecking accept-new'",
        "'STRICTHOSTKEYCHECKING = \"no\"'",
        "' StrictHostKeyChecking=No'",
        "StrictHostKeyChecking=false",
        "StrictHostKeyChecking",
        "NoHostAuthenticationForLocalhost=yes",
    ] {
        for remote in [format!("ssh -o {setting} h"), format!("ssh h -o{setting}")] {
            assert!(
                matches!(words(&remote), Err(TargetError::Unchecked(_))),
                "{remote}"
            );
        }
    }
    let options = RemoteOptions {
        extra_ssh_args: vec!["-o".into(), "StrictHostKeyChecking=no".into()],
        ..RemoteOptions::default()
    };
    let error = Target::of("h", Some(&options)).unwrap_err();
    let problem = error.problem();
    assert!(
        problem.message.contains("StrictHostKeyChecking=no"),
        "{problem:?}"
    );
}

#[test]
fn remote_options_come_first_because_ssh_takes_the_first() {
    let options = RemoteOptions {
        identity: Some("~/.ssh/id".into()),
        port: Some(2222),
        connect_timeout: Some(5),
        server_alive_interval: Some(7),
        server_alive_count_max: Some(2),
        compression: Some(true),
        forward_agent: Some(false),
        strict_host_key_checking: Some(StrictHostKeyChecking::Yes),
        extra_ssh_args: vec!["-4".into(), "-o Ciphers=x".into()],
    };
    let target = Target::of("ssh -p 1 me@h", Some(&options)).unwrap();
    assert_eq!(
        target.words().join("|"),
        "-o|Port=2222|-o|ConnectTimeout=5|-o|ServerAliveInterval=7|-o|ServerAliveCountMax=2|\
         -o|Compression=yes|-o|ForwardAgent=no|-o|StrictHostKeyChecking=yes|-i|~/.ssh/id|\
         -4|-o Ciphers=x|-p|1|--|me@h"
    );
    assert_eq!(target.destination(), "me@h");
    let misused = |words: &[&str]| {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        check_extra(&words).unwrap_err().0
    };
    assert_eq!(misused(&["-4", "-o", "Ciphers=x", "uptime"]), 3);
    assert_eq!(misused(&["-4", "-o", "BatchMode=yes"]), 1);
    assert_eq!(misused(&["-4", "-p"]), 1);
    let options = RemoteOptions {
        extra_ssh_args: vec!["uptime".into()],
        ..RemoteOptions::default()
    };
    assert!(matches!(
        Target::of("h", Some(&options)),
        Err(TargetError::Command(_))
    ));
}

#[test]
fn what_a_team_sets_itself_is_known() {
    let sets = |remote: &str, options: RemoteOptions| {
        let target = Target::of(remote, Some(&options)).unwrap();
        target.sets("ServerAliveInterval")
    };
    let never = RemoteOptions {
        server_alive_interval: Some(0),
        ..RemoteOptions::default()
    };
    assert!(sets("h", never));
    assert!(sets(
        "ssh -o serveraliveinterval=0 h",
        RemoteOptions::default()
    ));
    assert!(!sets(
        "ssh -o ServerAliveCountMax=2 h",
        RemoteOptions::default()
    ));
}

#[test]
fn what_is_typed_is_told_in_its_own_field() {
    let of = |remote: &str, extra: &[&str]| {
        let extra: Vec<String> = extra.iter().map(|word| (*word).to_owned()).collect();
        TargetMistakes::of(remote, &extra)
    };
    for (remote, extra) in [
        ("me@h", &["-J", "gate"][..]),
        ("ssh ${HOST} -M", &["-o", "${X}", "uptime"]),
    ] {
        assert_eq!(of(remote, extra), TargetMistakes::default(), "{remote}");
    }
    let mistakes = of("ssh -M h", &["-N"]);
    let remote = mistakes.remote.unwrap();
    assert!(
        remote.contains("`-M`") && remote.contains("Remove it"),
        "{remote}"
    );
    assert!(mistakes.extra_ssh_args.unwrap().contains("`-N`"));
    let hidden = of("h '\u{202e}x'", &[]).remote.unwrap();
    assert!(!hidden.contains('\u{202e}'), "{hidden:?}");
}
