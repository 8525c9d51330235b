//! The TypeScript types of the user interface are those of the Rust code.

use std::{collections::BTreeMap, fs, path::Path};

use iris_domain::{
    approval::Together,
    audit::{Filter, Row},
    config::{PolicyTemplate, RuleMistake, RulesView},
    connection_test::TestStep,
    conversation::{Deleted, Forked, Listed, Rebooted},
    decision::{Answer, Surface},
    grant::Scope,
    message::{Message, SendOutcome},
    replay::{Consequences, Explained, Preview, Replay},
    snapshot::Snapshot,
    target::TargetMistakes,
    transcript::{Page, Query},
};
use ts_rs::{Config, TS};

/// `IRIS_UPDATE=1 cargo test -p iris-tests bindings` writes them.
#[test]
fn typescript_types_are_up_to_date() {
    let fresh = tempfile::tempdir().unwrap();
    let config = Config::new().with_out_dir(fresh.path());
    Snapshot::export_all(&config).unwrap();
    Together::export_all(&config).unwrap();
    Answer::export_all(&config).unwrap();
    SendOutcome::export_all(&config).unwrap();
    Filter::export_all(&config).unwrap();
    Row::export_all(&config).unwrap();
    TargetMistakes::export_all(&config).unwrap();
    TestStep::export_all(&config).unwrap();
    Scope::export_all(&config).unwrap();
    Preview::export_all(&config).unwrap();
    Replay::export_all(&config).unwrap();
    Consequences::export_all(&config).unwrap();
    RulesView::export_all(&config).unwrap();
    RuleMistake::export_all(&config).unwrap();
    PolicyTemplate::export_all(&config).unwrap();
    Explained::export_all(&config).unwrap();
    Surface::export_all(&config).unwrap();
    Query::export_all(&config).unwrap();
    Page::export_all(&config).unwrap();
    Listed::export_all(&config).unwrap();
    Rebooted::export_all(&config).unwrap();
    Deleted::export_all(&config).unwrap();
    Forked::export_all(&config).unwrap();
    Message::export_all(&config).unwrap();

    let kept = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../ui/src/bindings"));
    let fresh = files(fresh.path());
    if std::env::var_os("IRIS_UPDATE").is_some() {
        for name in files(kept).keys().filter(|name| !fresh.contains_key(*name)) {
            fs::remove_file(kept.join(name)).unwrap();
        }
        for (name, text) in &fresh {
            fs::write(kept.join(name), text).unwrap();
        }
    }
    let kept = files(kept);
    for (name, text) in &fresh {
        assert_eq!(
            kept.get(name),
            Some(text),
            "{name} is old: run with IRIS_UPDATE=1"
        );
    }
    let strays: Vec<_> = kept
        .keys()
        .filter(|name| !fresh.contains_key(*name))
        .collect();
    assert!(
        strays.is_empty(),
        "no Rust type stands behind {strays:?}: run with IRIS_UPDATE=1"
    );
}

fn files(dir: &Path) -> BTreeMap<String, String> {
    let read = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().unwrap();
        (name, fs::read_to_string(entry.path()).unwrap())
    };
    fs::read_dir(dir)
        .unwrap()
        .map(|entry| read(entry.unwrap()))
        .collect()
}
