//! With the real `git`, against repositories that mean harm.

use std::{fs, path::Path, process::Command};

use tokio_util::task::TaskTracker;

use super::*;

struct Place {
    dir: TempDir,
}

impl Place {
    /// A repository with one commit, in which `a.txt` is changed.
    fn new() -> Self {
        let place = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(place.at("scratch")).unwrap();
        fs::create_dir(place.at("repo")).unwrap();
        place.git(&["init", "-q"]);
        place.write("repo/a.txt", "before\n");
        place.git(&["add", "."]);
        place.git(&["commit", "-qm", "one"]);
        place.write("repo/a.txt", "after\n");
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.at(name), text).unwrap();
    }

    fn git(&self, args: &[&str]) {
        let done = command(self, args).status();
        assert!(done.unwrap().success(), "git {args:?}");
    }

    async fn diff(&self, folder: &str) -> Result<Diff, NoDiff> {
        let processes = Processes::new(&TaskTracker::new());
        let env = Environment::of_this_process();
        diff(&processes, &env, &self.at("scratch"), &self.at(folder)).await
    }

    fn left(&self, folder: &str) -> usize {
        fs::read_dir(self.at(folder)).unwrap().count()
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "makes the repository that is looked at"
)]
fn command(place: &Place, args: &[&str]) -> Command {
    let mut command = Command::new("git");
    command
        .args(["-c", "user.name=a", "-c", "user.email=a@b.example"])
        .args(args)
        .current_dir(place.at("repo"));
    command
}

#[tokio::test]
async fn what_is_changed_and_what_is_staged_is_told() {
    let place = Place::new();
    place.write("repo/new.txt", "new\n");
    place.git(&["add", "new.txt"]);
    let told = place.diff("repo").await.unwrap();
    for part in ["-before", "+after", "+new"] {
        assert!(told.text.contains(part), "{told:?}");
    }
    assert!(!told.cut);
    assert_eq!(place.left("scratch"), 0, "nothing is left behind");
    place.git(&["add", "."]);
    place.git(&["commit", "-qm", "two"]);
    assert_eq!(place.diff("repo").await.unwrap().text, "");
}

#[tokio::test]
async fn a_folder_is_told_of_itself_only() {
    let place = Place::new();
    fs::create_dir(place.at("repo/part")).unwrap();
    place.write("repo/part/b.txt", "one\n");
    place.git(&["add", "part"]);
    let told = place.diff("repo/part").await.unwrap();
    assert!(
        told.text.contains("+one") && !told.text.contains("after"),
        "{told:?}"
    );
}

#[tokio::test]
async fn no_program_that_a_repository_names_runs() {
    let place = Place::new();
    let sign = place.at("ran");
    let program = place.at("evil");
    let script = format!("#!/bin/sh\necho \"$0\" >> '{}'\ncat\n", sign.display());
    fs::write(&program, script).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&program, mode).unwrap();
    let evil = program.display();
    place.write(
        "repo/.git/config",
        &format!(
            "[core]\n\tfsmonitor = {evil}\n\tpager = {evil}\n\thooksPath = {}\n\tsshCommand = {evil}\n\
             \tattributesFile = {}/attributes\n\teditor = {evil}\n\
             [diff]\n\texternal = {evil}\n[diff \"evil\"]\n\tcommand = {evil}\n\ttextconv = {evil}\n\
             [filter \"evil\"]\n\tclean = {evil}\n\tsmudge = {evil}\n\tprocess = {evil}\n\trequired\n\
             [pager]\n\tdiff = {evil}\n[include]\n\tpath = {}/more\n[alias]\n\tdiff = !{evil}\n\
             [extensions]\n\tpartialClone = evil\n[remote \"evil\"]\n\turl = ext::{evil}\n\tpromisor = true\n",
            place.dir.path().display(),
            place.dir.path().display(),
            place.dir.path().display(),
        ),
    );
    place.write("more", &format!("[core]\n\tfsmonitor = {evil}\n"));
    place.write("attributes", "* filter=evil diff=evil\n");
    place.write("repo/.gitattributes", "* filter=evil diff=evil text\n");
    fs::create_dir_all(place.at("repo/.git/info")).unwrap();
    place.write("repo/.git/info/attributes", "* filter=evil diff=evil\n");
    fs::create_dir_all(place.at("repo/.git/hooks")).unwrap();
    for hook in ["post-index-change", "fsmonitor-watchman", "pre-auto-gc"] {
        fs::copy(&program, place.at("repo/.git/hooks").join(hook)).unwrap();
    }
    place.write(
        "repo/.gitmodules",
        "[submodule \"a\"]\n\tpath = a\n\turl = ext::evil\n\tupdate = !evil\n",
    );

    let told = place.diff("repo").await.unwrap();
    assert!(
        told.text.contains("-before") && told.text.contains("+after"),
        "{told:?}"
    );
    assert!(
        !sign.exists(),
        "ran: {}",
        fs::read_to_string(&sign).unwrap_or_default()
    );
    // The same repository does run it where its config is read: the test means something.
    drop(command(&place, &["diff"]).output().unwrap());
    assert!(sign.exists(), "the trap works");
}

#[tokio::test]
async fn a_repository_does_not_lead_into_another() {
    let other = Place::new();
    let hidden = other.at("repo/.git").display().to_string();

    let place = Place::new();
    fs::remove_dir_all(place.at("repo/.git")).unwrap();
    place.write("repo/.git", &format!("gitdir: {hidden}\n"));
    let why = place.diff("repo").await.unwrap_err();
    assert!(matches!(why, NoDiff::NotRead(_)), "{why}");
    fs::remove_file(place.at("repo/.git")).unwrap();
    std::os::unix::fs::symlink(&hidden, place.at("repo/.git")).unwrap();
    let why = place.diff("repo").await.unwrap_err();
    assert!(matches!(why, NoDiff::NotRead(_)), "{why}");

    let place = Place::new();
    fs::create_dir_all(place.at("repo/.git/objects/info")).unwrap();
    place.write(
        "repo/.git/objects/info/alternates",
        &format!("{hidden}/objects\n"),
    );
    let why = place.diff("repo").await.unwrap_err();
    assert!(matches!(why, NoDiff::NotRead(_)), "{why}");
    fs::remove_file(place.at("repo/.git/objects/info/alternates")).unwrap();
    std::os::unix::fs::symlink(
        format!("{hidden}/objects"),
        place.at("repo/.git/objects/zz"),
    )
    .unwrap_or_else(|error| panic!("{error}"));
    let why = place.diff("repo").await.unwrap_err();
    assert!(matches!(why, NoDiff::NotRead(_)), "{why}");

    let place = Place::new();
    fs::remove_file(place.at("repo/.git/HEAD")).unwrap();
    std::os::unix::fs::symlink(format!("{hidden}/HEAD"), place.at("repo/.git/HEAD")).unwrap();
    assert!(place.diff("repo").await.is_err());
    for head in [
        "ref: ../../../../etc/passwd",
        "ref: refs/../../../x",
        "nonsense",
        "",
    ] {
        fs::remove_file(place.at("repo/.git/HEAD")).unwrap();
        place.write("repo/.git/HEAD", head);
        assert!(place.diff("repo").await.is_err(), "{head}");
    }
}

#[tokio::test]
async fn an_added_worktree_is_told_of() {
    let place = Place::new();
    let path = place.at("linked").display().to_string();
    place.git(&["worktree", "add", "-q", &path]);
    place.write("linked/a.txt", "in the worktree\n");
    let told = place.diff("linked").await.unwrap();
    assert!(told.text.contains("+in the worktree"), "{told:?}");
}

#[tokio::test]
async fn a_long_diff_is_cut_and_a_link_or_pipe_in_the_tree_is_not_followed() {
    let place = Place::new();
    let long: String = (0..50_000).map(|n| format!("line {n}\n")).collect();
    place.write("repo/a.txt", &long);
    let told = place.diff("repo").await.unwrap();
    assert!(
        told.cut && told.text.len() <= DIFF_MAX,
        "{}",
        told.text.len()
    );

    fs::remove_file(place.at("repo/a.txt")).unwrap();
    place.write("secret", "outside's secret\n");
    std::os::unix::fs::symlink(place.at("secret"), place.at("repo/a.txt")).unwrap();
    let told = place.diff("repo").await.unwrap();
    assert!(!told.text.contains("outside's secret"), "{told:?}");

    fs::remove_file(place.at("repo/a.txt")).unwrap();
    nix::unistd::mkfifo(&place.at("repo/a.txt"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let told = place.diff("repo").await;
    assert!(!matches!(told, Err(NoDiff::TimedOut)), "{told:?}");
}

#[tokio::test]
async fn what_is_no_repository_or_has_no_commit_is_said() {
    let place = Place::new();
    fs::create_dir(place.at("plain")).unwrap();
    let why = place.diff("plain").await.unwrap_err();
    assert!(matches!(why, NoDiff::NoRepository), "{why}");
    let none = Environment::default();
    let processes = Processes::new(&TaskTracker::new());
    let why = diff(&processes, &none, &place.at("scratch"), Path::new("/")).await;
    assert!(matches!(why, Err(NoDiff::NoGit)), "{why:?}");
    fs::remove_dir_all(place.at("repo/.git")).unwrap();
    place.git(&["init", "-q"]);
    let why = place.diff("repo").await.unwrap_err();
    assert!(!matches!(why, NoDiff::NoRepository), "{why}");
}
