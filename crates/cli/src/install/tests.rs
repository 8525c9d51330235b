use std::os::unix::fs::MetadataExt as _;

use iris_engine::{environment::Environment, home::Home};

use super::*;
use crate::output::Output;

struct House {
    tmp: tempfile::TempDir,
    context: Context,
}

fn house(vars: &[(&str, &str)]) -> House {
    let tmp = tempfile::tempdir().unwrap();
    let mut all = vec![("HOME".into(), tmp.path().into())];
    all.extend(vars.iter().map(|(name, value)| {
        (
            (*name).into(),
            value.replace("@", tmp.path().to_str().unwrap()).into(),
        )
    }));
    let env: Environment = all.into_iter().collect();
    let home = Home::of(&env).unwrap();
    House {
        context: Context {
            home,
            env,
            out: Output::new(true),
        },
        tmp,
    }
}

impl House {
    fn files(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.tmp.path())
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != ".iris")
            .collect();
        names.sort();
        names
    }
}

#[test]
fn install_and_uninstall_leave_the_file_as_it_was() {
    let house = house(&[]);
    let file = house.tmp.path().join(".claude.json");
    let before = "{\n  \"n\": 1.0,\n  \"mcpServers\": {\n    \"iris\": {\"old\": true}\n  }\n}\n";
    fs::write(&file, before).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    install(&house.context).unwrap();
    let with = fs::read_to_string(&file).unwrap();
    assert!(
        with.contains("\"url\": \"http://127.0.0.1:1615/mcp\""),
        "{with}"
    );
    assert!(with.contains(" headers\""), "{with}");
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::read_to_string(backup(&file)).unwrap(), before);
    install(&house.context).expect("twice is once");
    assert_eq!(fs::read_to_string(&file).unwrap(), with);
    uninstall(&house.context).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), before);
    assert_eq!(
        house.files(),
        [".claude.json"],
        "no backup, no temporary file is left"
    );
    assert_eq!(uninstall(&house.context).unwrap_err().code, Code::NotFound);
}

#[test]
fn a_file_that_was_made_goes_again() {
    let house = house(&[]);
    install(&house.context).unwrap();
    assert_eq!(house.files(), [".claude.json"]);
    uninstall(&house.context).unwrap();
    assert!(house.files().is_empty(), "{:?}", house.files());
}

#[test]
fn a_moved_port_updates_the_entry_and_the_undo_stays() {
    let mut house = house(&[]);
    let file = house.tmp.path().join(".claude.json");
    fs::write(&file, "{\"mcpServers\":{\"iris\":1}}").unwrap();
    install(&house.context).unwrap();
    house.context.env = [
        ("HOME", house.tmp.path().to_str().unwrap()),
        ("IRIS_HTTP_PORT", "1700"),
    ]
    .map(|(name, value)| (name.into(), value.into()))
    .into_iter()
    .collect();
    install(&house.context).unwrap();
    assert!(fs::read_to_string(&file).unwrap().contains(":1700/mcp"));
    uninstall(&house.context).unwrap();
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        "{\"mcpServers\":{\"iris\":1}}"
    );
}

#[test]
fn what_the_user_changed_since_is_left_alone() {
    let house = house(&[]);
    let file = house.tmp.path().join(".claude.json");
    install(&house.context).unwrap();
    let changed = fs::read_to_string(&file).unwrap().replace("1615", "1616");
    fs::write(&file, &changed).unwrap();
    assert_eq!(uninstall(&house.context).unwrap_err().code, Code::Conflict);
    assert_eq!(fs::read_to_string(&file).unwrap(), changed);
}

#[test]
fn another_config_dir_and_another_home_are_used() {
    let house = house(&[
        ("CLAUDE_CONFIG_DIR", "@/claude dir"),
        ("IRIS_HOME", "@/my iris"),
    ]);
    let dir = house.tmp.path().join("claude dir");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("target"), "{}").unwrap();
    std::os::unix::fs::symlink("target", dir.join(".claude.json")).unwrap();
    install(&house.context).unwrap();
    let with = fs::read_to_string(dir.join("target")).unwrap();
    assert!(
        with.contains("IRIS_HOME='"),
        "the helper finds this home: {with}"
    );
    assert!(
        fs::symlink_metadata(dir.join(".claude.json"))
            .unwrap()
            .is_symlink()
    );
    uninstall(&house.context).unwrap();
    assert_eq!(fs::read_to_string(dir.join("target")).unwrap(), "{}");
}

#[test]
fn a_file_that_claude_cannot_read_is_not_touched() {
    let house = house(&[]);
    let file = house.tmp.path().join(".claude.json");
    fs::write(&file, "{ broken").unwrap();
    assert_eq!(install(&house.context).unwrap_err().code, Code::Conflict);
    assert_eq!(fs::read_to_string(&file).unwrap(), "{ broken");
    assert_eq!(house.files(), [".claude.json"]);
}
