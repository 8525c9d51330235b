//! Disks that hang, and links that lead to what is denied.

use std::{fs::File, os::unix::fs::symlink, path::PathBuf};

use nix::{sys::stat::Mode, unistd::mkfifo};

use super::*;

/// As the real one, but what lies in a folder `hung` is on a disk that does not answer: a look blocks its
/// thread, in the kernel, until somebody mends that.
fn follow(path: &str) -> Option<String> {
    if let Some(at) = path.find("/hung") {
        drop(File::open(path.get(..at + 5)?));
        return Some(path.to_owned());
    }
    (Ground::default().follow)(path)
}

/// The disk that hangs. It is mended in the end, whatever becomes of the test: the runtime waits for the
/// threads that look, and would wait for ever.
struct Disk(PathBuf);

impl Disk {
    /// From now on it answers.
    fn mend(&self) {
        let mut gate = File::options();
        gate.read(true).write(true);
        // Whoever looks later, even when the test is over, must find it open.
        std::mem::forget(gate.open(&self.0).unwrap());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.mend();
    }
}

/// Teams with these modes on a disk that hangs, and `beta` on one that works.
async fn house(hung: &[(&str, GrantPermission)]) -> (House, Disk) {
    let folder = tempfile::tempdir().unwrap();
    mkfifo(&folder.path().join("hung"), Mode::S_IRWXU).unwrap();
    std::fs::create_dir(folder.path().join("works")).unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let rules = |mode| Team {
        grant_permission: mode,
        approval_policy: ApprovalPolicy {
            auto_approve: vec!["Read(/**)".into(), "Bash(git status)".into()],
            deny: vec!["Edit(/secret/**)".into()],
            ..ApprovalPolicy::default()
        },
        ..Team::at("")
    };
    let mut config = Config::default();
    for (name, mode) in hung {
        let team = Team {
            path: at("hung"),
            ..rules(*mode)
        };
        config.teams.insert(name.parse().unwrap(), team);
    }
    let beta = Team {
        path: at("works"),
        ..rules(GrantPermission::Ask)
    };
    config.teams.insert("beta".parse().unwrap(), beta);
    let ground = Ground {
        follow,
        ..Ground::default()
    };
    let disk = Disk(folder.path().join("hung"));
    (House::on(ground, folder, Arc::new(config)).await, disk)
}

impl House {
    fn asks(
        &self,
        team: &str,
        call: &str,
        tool: &str,
        input: Value,
    ) -> tokio::task::JoinHandle<Decision> {
        let asker = Asker {
            team: team.parse().unwrap(),
            ..asker()
        };
        let approvals = self.approvals.clone();
        let request = ToolRequest::new(tool.into(), input, call.into()).unwrap();
        self.tasks
            .spawn(async move { approvals.ask(asker, request).await })
    }

    fn reads(&self, team: &str, call: &str, folder: &str) -> tokio::task::JoinHandle<Decision> {
        let path = self.folder.path().join(folder).join("x");
        self.asks(team, call, "Read", json!({ "file_path": path }))
    }
}

fn is_allowed(decision: &Decision) -> bool {
    matches!(decision, Decision::Allow { .. })
}

#[tokio::test]
async fn a_disk_that_hangs_holds_up_nobody_but_who_asks_for_it() {
    use GrantPermission::{Ask, Yes};
    let (house, disk) = house(&[("alpha", Ask), ("yes", Yes)]).await;
    // More than may hang at once.
    let calls: Vec<_> = (0..8)
        .map(|n| house.reads("alpha", &format!("t{n}"), "hung"))
        .collect();
    let yes = house.asks("yes", "y", "Bash", json!({ "command": "make > log" }));
    for n in 0..20 {
        let read = decided(house.reads("beta", &format!("b{n}"), "works")).await;
        assert!(is_allowed(&read), "{read:?}");
    }
    let status = json!({ "command": "git status" });
    let no_files = decided(house.asks("alpha", "s", "Bash", status)).await;
    assert!(is_allowed(&no_files), "it needs no disk: {no_files:?}");
    let secret = house.folder.path().join("hung/secret/x");
    let denied = decided(house.asks("alpha", "e", "Edit", json!({ "file_path": secret }))).await;
    assert!(
        denied.by().starts_with("rule:deny:"),
        "what is denied as it is written: {denied:?}"
    );

    let pending = house.pending(9).await;
    for view in &pending {
        assert!(view.why.contains("does not answer"), "{}", view.why);
    }
    assert!(
        !yes.is_finished(),
        "nothing is allowed by a mode for want of a look"
    );

    let first = pending.iter().find(|view| view.team == alpha()).unwrap();
    let allow = Answer::Allow {
        input: None,
        remember: None,
    };
    let problem = house.answer(&first.id, allow.clone()).await.unwrap_err();
    assert_eq!(
        problem.code,
        Code::Storage,
        "a rule might deny it: {problem:?}"
    );
    assert!(house.approvals.waiting(&first.id).is_ok(), "it goes on");
    house
        .answer(&first.id, Answer::Deny { message: None })
        .await
        .unwrap();

    disk.mend();
    let second = pending
        .iter()
        .filter(|view| view.team == alpha())
        .nth(1)
        .unwrap();
    house.answer(&second.id, allow).await.unwrap();
    let again = decided(house.reads("alpha", "again", "hung")).await;
    assert!(is_allowed(&again), "the rule allows it: {again:?}");
    for call in calls.into_iter().chain([yes]) {
        call.abort();
    }
    house.chain_holds().await;
}

#[tokio::test]
async fn rules_that_change_while_somebody_looks_are_looked_at_again() {
    let (house, disk) = house(&[("alpha", GrantPermission::Ask)]).await;
    let call = house.reads("alpha", "t1", "hung");
    let view = house.pending(1).await.remove(0);
    let allow = Answer::Allow {
        input: None,
        remember: None,
    };
    let answering = {
        let (approvals, id, allow) = (house.approvals.clone(), view.id.clone(), allow.clone());
        house
            .tasks
            .spawn(async move { approvals.answer(id, allow, human(Surface::Cli)).await })
    };
    // It looks now: one thread runs all of this, and it waits for nothing else.
    tokio::task::yield_now().await;
    let mut config = (**house.config.borrow()).clone();
    let rules = &mut config.teams.get_mut(&alpha()).unwrap().approval_policy;
    rules.deny.push("Read(/x)".into());
    house.config.send_replace(Arc::new(config));
    disk.mend();
    let problem = answering.await.unwrap().unwrap_err();
    assert_eq!(problem.code, Code::Conflict, "{problem:?}");
    let problem = house.answer(&view.id, allow).await.unwrap_err();
    assert_eq!(problem.code, Code::Forbidden, "the new rule holds");
    call.abort();
}

#[tokio::test]
async fn a_human_cannot_allow_what_a_link_leads_to_and_a_rule_denies() {
    let (house, _disk) = house(&[]).await;
    let works = house.folder.path().join("works");
    std::fs::create_dir(works.join("secret")).unwrap();
    symlink(works.join("secret"), works.join("link")).unwrap();
    let input = json!({ "file_path": works.join("free"), "content": "" });
    let call = house.asks("beta", "t1", "Write", input);
    let id = house.pending(1).await.remove(0).id;
    let edited = |path: &str| Answer::Allow {
        input: Some(json!({ "file_path": works.join(path), "content": "" })),
        remember: None,
    };
    let problem = house.answer(&id, edited("link/x")).await.unwrap_err();
    assert_eq!(problem.code, Code::Forbidden, "{problem:?}");
    house.answer(&id, edited("other")).await.unwrap();
    assert!(is_allowed(&decided(call).await));
}
