//! The programs for a remote host, run as sshd runs them: `$SHELL -c "$COMMAND"` in a session of its
//! own, with little in the environment, and everything else on stdin.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    net::TcpListener,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    process::Stdio,
};

use iris_domain::config::Team;
use iris_engine::remote::{self, Launch, Nonce, Run, Said};
use iris_tests::{processes, require};
use nix::sys::signal::Signal;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::Command,
};

// `cfg(test)` says to the lints that these are tests' means, outside of a test function.
#[cfg(test)]
mod account;

use account::{Account, TOKEN, args, session, team};

/// Names that a shell and a path must bear.
const ODD: &str = "it's \"odd\" $HOME `x` \\ ü€";
/// What startup files say to whoever logs in, with no line end.
const NOISE: &str = "echo welcome; printf 'iris:x:failed home %s' to";

/// Noise from the startup file of each shell, and a condition that keeps others out.
fn noisy(account: &Account) {
    let guarded = format!("{NOISE}\ncase $- in *i*) ;; *) return ;; esac\nexit 9\n");
    for file in [".bashrc", ".profile", ".zshenv", ".zshrc"] {
        account.write(file, &guarded, 0o644);
    }
    account.write(".config/fish/config.fish", NOISE, 0o644);
    account.write(".tcshrc", NOISE, 0o644);
}

#[tokio::test]
async fn an_agent_runs_under_every_login_shell() {
    require!("bash", "dash", "zsh", "fish", "tcsh", "setsid");
    for shell in ["sh", "dash", "bash", "zsh", "fish", "tcsh"] {
        let account = Account::new();
        noisy(&account);
        let folder = account.home().join(ODD);
        fs::create_dir(&folder).unwrap();
        symlink(env!("CARGO_BIN_EXE_fake-claude"), folder.join("claude")).unwrap();
        let mut team = team(&format!("~/{ODD}"));
        team.claude_path = Some(format!("~/{ODD}/claude"));
        team.add_dirs = vec!["~/lib".into(), ODD.into()];
        team.env.insert("ODD".into(), format!("{ODD}\n{ODD}"));
        let shell = require::find(shell).unwrap();
        let id = session(7);
        let mut agent = account.launch(shell.to_str().unwrap(), &team, id).await;
        agent.started().await;

        let home = account.home().display().to_string();
        let said = agent.answer("args").await;
        let want = format!(
            "--session-id={id}\ntwo words '\"\\\nü\n--add-dir={home}/lib\n--add-dir={home}/{ODD}"
        );
        assert!(said.ends_with(&want), "{shell:?}: {said}");
        assert_eq!(
            agent.answer("sh pwd -P").await,
            folder.display().to_string()
        );
        assert_eq!(agent.answer("env ODD").await, format!("{ODD}\n{ODD}"));
        assert_eq!(agent.answer("env IRIS_TOKEN").await, TOKEN);
        assert_eq!(agent.answer("env IRIS_SESSION").await, id.to_string());
        assert_eq!(agent.answer("env https_proxy").await, "http://proxy");
        assert!(agent.answer("env no_proxy").await.contains("127.0.0.1"));
        let ca = agent.answer("env NODE_EXTRA_CA_CERTS").await;
        assert_eq!(
            fs::read_to_string(&ca).unwrap(),
            "-----BEGIN\nIRIS\n-----END\n"
        );
        assert_eq!(mode(Path::new(&ca)), 0o600);
        assert_eq!(mode(Path::new(&ca).parent().unwrap()), 0o700);

        let names = agent
            .answer("sh env | sed -n 's/^\\([A-Za-z_]*\\)=.*/\\1/p' | sort")
            .await;
        let names: Vec<&str> = names
            .lines()
            .filter(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name))
            .collect();
        assert_eq!(
            names,
            [
                "CLAUDE_CODE_MAX_RETRIES",
                "HOME",
                "IRIS_RUN",
                "IRIS_SESSION",
                "IRIS_TOKEN",
                "LC_ALL",
                "LOGNAME",
                "NODE_EXTRA_CA_CERTS",
                "NO_PROXY",
                "ODD",
                "PATH",
                "SHELL",
                "USER",
                "https_proxy",
                "no_proxy",
            ],
            "{shell:?}"
        );
        for process in account.running() {
            assert!(!process.command.contains(TOKEN), "{process:?}");
            assert_eq!(
                process.variable("IRIS_TOKEN").is_some(),
                process.exe.ends_with("fake-claude"),
                "{process:?}"
            );
        }
        assert_eq!(agent.ends().await, Some(0));
        account.clean().await;
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn what_follows_the_first_line_reaches_the_agent_byte_for_byte() {
    require!("bash", "dash", "busybox", "setsid");
    let all: Vec<u8> = (0..=255_u8).cycle().take(100_000).collect();
    for shell in ["dash", "bash", "busybox"] {
        let account = Account::new();
        // The shell that reads the program is called sh: this one first.
        let sh = format!(
            "#!/bin/sh\nexec {shell} {} \"$@\"\n",
            if shell == "busybox" { "sh" } else { "" }
        );
        account.write("bin/sh", &sh, 0o755);
        account.write(
            "claude",
            "#!/bin/sh\nprintf %s \"$3\" >\"$HOME/arg\"\nexec cat >\"$HOME/got\"\n",
            0o755,
        );
        let mut team = team("~/project");
        team.claude_path = Some("~/claude".into());
        let odd: String = ('\u{1}'..='\u{2fff}').chain("€😀".chars()).collect();
        let big = || OsString::from("y".repeat(100_000));
        let args = [big(), big(), odd.clone().into(), big()];
        let command = format!(
            "PATH={}:$PATH; {}",
            account.home().join("bin").display(),
            remote::COMMAND
        );
        let nonce = Nonce::random();
        let launch = Launch {
            team: &team,
            run: Run::of(session(1)),
            args: &args,
            token: None,
            ca_pem: None,
            env: &BTreeMap::new(),
            instance: "here",
            nonce: &nonce,
        };
        let line = launch.first_line().unwrap();
        assert!(line.len() > 300_000);
        let mut child = Command::new("/bin/bash")
            .args(["-c", &command])
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", account.home())
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin
            .write_all(format!("{}\n", line.as_str()).as_bytes())
            .await
            .unwrap();
        stdin.write_all(&all).await.unwrap();
        drop(stdin);
        assert!(child.wait().await.unwrap().success(), "{shell}");
        assert!(
            fs::read(account.home().join("got")).unwrap() == all,
            "{shell}: stdin"
        );
        assert!(
            fs::read_to_string(account.home().join("arg")).unwrap() == odd,
            "{shell}: arguments"
        );
        account.clean().await;
    }
}

#[tokio::test]
async fn what_is_wrong_there_is_one_sentence() {
    require!("bash", "setsid");
    let account = Account::new();
    account.write("plain", "", 0o644);
    let says = async |team: &Team, message: &str, hint: &str| {
        let problem = account.problem(team).await;
        assert!(problem.message.contains(message), "{problem:?}");
        assert!(problem.hint.contains(hint), "{problem:?}");
        assert!(problem.message.contains("me@far"), "{problem:?}");
    };
    let home = account.home().display().to_string();
    let mut team = team("~/nowhere");
    says(&team, &format!("no folder {home}/nowhere"), "Create it").await;
    team.path = "plain".into();
    says(&team, "/plain on me@far is not a folder", "Choose").await;
    team.path = "~".into();
    team.claude_path = Some("~/no/claude".into());
    says(&team, &format!("not at {home}/no/claude"), "claudePath").await;
    team.claude_path = Some("~/plain".into());
    says(&team, "/plain on me@far is not executable", "chmod").await;
    team.claude_path = Some("iris-no-such-claude".into());
    let looked = format!("{home}/.local/bin/iris-no-such-claude");
    says(&team, "was not found", &looked).await;
}

#[tokio::test]
async fn it_is_found_where_only_the_login_shell_knows() {
    require!("bash", "zsh", "fish", "tcsh", "setsid");
    for (shell, file, text) in [
        ("bash", ".profile", "PATH=$PATH:$HOME/far"),
        (
            "bash",
            ".bashrc",
            "case $- in *i*) PATH=$PATH:$HOME/far ;; esac",
        ),
        ("zsh", ".zshrc", "PATH=$PATH:$HOME/far"),
        (
            "fish",
            ".config/fish/config.fish",
            "set -gx PATH $PATH $HOME/far",
        ),
        ("tcsh", ".tcshrc", "set path = ($path ~/far)"),
    ] {
        let account = Account::new();
        account.write("far/iris-claude", "#!/bin/sh\nread x\nexit 3\n", 0o755);
        account.write(file, text, 0o644);
        let mut team = team("~/project");
        team.claude_path = Some("iris-claude".into());
        let shell = require::find(shell).unwrap();
        let mut agent = account
            .launch(shell.to_str().unwrap(), &team, session(1))
            .await;
        let Some(Said::Started { claude, .. }) = agent.said().await else {
            panic!("{shell:?} {file}: not found")
        };
        assert!(claude.ends_with("/far/iris-claude"), "{claude}");
        assert_eq!(agent.ends().await, Some(3), "its status passes through");
        account.clean().await;
    }
}

#[tokio::test]
async fn a_login_shell_that_ends_at_once_says_nothing() {
    require!("zsh", "setsid");
    let account = Account::new();
    account.write(".zshenv", "exit 1", 0o644);
    let zsh = require::find("zsh").unwrap();
    let mut agent = account
        .launch(zsh.to_str().unwrap(), &team("~"), session(1))
        .await;
    assert_eq!(agent.said().await, None);
    agent.ends().await;
    account.clean().await;
}

#[tokio::test]
async fn the_end_of_its_input_ends_everything() {
    require!("bash", "setsid");
    let account = Account::new();
    let mut agent = account
        .launch("/bin/bash", &team("~/project"), session(1))
        .await;
    agent.started().await;
    // In the group, out of it, and deaf.
    agent.answer("sh sleep 600 >/dev/null 2>&1 & setsid sleep 600 >/dev/null 2>&1 & (trap '' TERM; exec sleep 600 >/dev/null 2>&1) &").await;
    assert!(account.running().len() > 5);
    assert_eq!(agent.ends().await, Some(0));
    assert!(account.running().is_empty(), "it waits for their end");
    account.clean().await;
}

#[tokio::test]
async fn a_connection_that_breaks_during_the_start_leaves_nothing() {
    require!("bash", "setsid");
    let account = Account::new();
    let agent = account
        .launch("/bin/bash", &team("~/project"), session(1))
        .await;
    agent.breaks().await;
    assert!(account.running().is_empty(), "its watchdog neither");
    account.clean().await;
}

#[tokio::test]
async fn the_watchdog_ends_everything_when_sshd_dies() {
    require!("bash", "setsid");
    let account = Account::new();
    let mut team = team("~/project");
    team.env.insert("FAKE_CLAUDE".into(), "ignore-eof".into());
    let mut agent = account.launch("/bin/bash", &team, session(1)).await;
    agent.started().await;
    agent.answer("sh setsid sleep 600 >/dev/null 2>&1 &").await;
    // Its input stays open: nothing but the watchdog can notice.
    agent.sshd.start_kill().unwrap();
    account.clean().await;

    // And when it is the launcher that is killed.
    let mut agent = account.launch("/bin/bash", &team, session(2)).await;
    let launcher = agent.started().await;
    processes::signal_pid(launcher, Signal::SIGKILL);
    account.clean().await;
}

#[tokio::test]
async fn a_sweep_ends_what_this_iris_left_and_nothing_else() {
    require!("bash", "setsid");
    let account = Account::new();
    let here = account.instance();
    let there = format!("{here}-2");
    let mut team = team("~/project");
    team.env.insert("FAKE_CLAUDE".into(), "ignore-eof".into());
    let mut left = account.launch("/bin/bash", &team, session(1)).await;
    let mut live = account.launch("/bin/bash", &team, session(2)).await;
    let id = session(3);
    let mut other = account
        .launch_with("/bin/bash", &team, id, &args(id), &there)
        .await;
    for agent in [&mut left, &mut live, &mut other] {
        agent.started().await;
    }
    left.answer("sh setsid sleep 600 >/dev/null 2>&1 &").await;
    let swept = |ended, stale_link| Said::Swept {
        ended,
        stuck: 0,
        stale_link,
    };
    assert_eq!(account.sweep(&[session(2)]).await, swept(1, false));
    left.ends().await;
    assert_eq!(live.answer("hello").await, "hello");
    assert_eq!(other.answer("hello").await, "hello");
    assert_eq!(
        account.sweep(&[session(2)]).await,
        swept(0, false),
        "nothing is left"
    );

    // One that does not end with its input, while the link stands.
    live.stdin = None;
    let nonce = Nonce::random();
    // The next run of its session has begun already, and goes on.
    let fresh = args(session(4));
    let mut next = account
        .launch_with("/bin/bash", &team, session(2), &fresh, &here)
        .await;
    next.started().await;
    let line = remote::end(&nonce, &here, live.run.unwrap());
    assert_eq!(account.said(&line, nonce).await, swept(1, false));
    live.ends().await;
    assert_eq!(next.answer("hello").await, "hello");
    next.stdin = None;
    let nonce = Nonce::random();
    let line = remote::end(&nonce, &here, next.run.unwrap());
    assert_eq!(account.said(&line, nonce).await, swept(1, false));
    next.ends().await;

    let nonce = Nonce::random();
    let line = remote::leave(&nonce, &here, "link", &[]);
    assert_eq!(account.said(&line, nonce).await, swept(0, false));
    assert!(!account.home().join(".iris-agent").join(&here).exists());
    let nonce = Nonce::random();
    let line = remote::leave(&nonce, &there, "link", &[]);
    assert_eq!(account.said(&line, nonce).await, swept(1, false));
    other.ends().await;
    account.clean().await;
}

#[tokio::test]
async fn the_sshd_of_an_earlier_connection_is_ended() {
    require!("setsid");
    let account = Account::new();
    // An sshd that stays: it has another command after the sweep.
    let nonce = Nonce::random();
    let line = remote::sweep(&nonce, &account.instance(), "link", &[]);
    let mut earlier = Command::new("/bin/sh")
        .args([
            "-c",
            &format!(
                "setsid sh -c '{}'; sleep 600",
                remote::COMMAND.replace('\'', "'\\''")
            ),
        ])
        .env("HOME", account.home())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = earlier.stdin.take().unwrap();
    stdin
        .write_all(format!("{line}\n").as_bytes())
        .await
        .unwrap();
    let mut lines = BufReader::new(earlier.stdout.take().unwrap()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        if remote::read(&nonce, &line).is_some() {
            break;
        }
    }
    let said = account.sweep(&[]).await;
    assert_eq!(
        said,
        Said::Swept {
            ended: 0,
            stuck: 0,
            stale_link: true
        }
    );
    earlier.wait().await.unwrap();
    // What it had started is no business of a sweep.
    for process in account.running() {
        process.signal(Signal::SIGKILL);
    }
}

#[tokio::test]
async fn it_says_where_a_port_listens() {
    require!("setsid");
    let account = Account::new();
    let ask = async |port: u16| {
        let nonce = Nonce::random();
        let line = remote::listening(&nonce, port);
        account.said(&line, nonce).await
    };
    let inside = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = inside.local_addr().unwrap().port();
    let localhost = "127.0.0.1".parse().unwrap();
    assert_eq!(ask(port).await, Said::Listening(Some(vec![localhost])));
    drop(inside);
    assert_eq!(ask(port).await, Said::Listening(Some(vec![])));
}
