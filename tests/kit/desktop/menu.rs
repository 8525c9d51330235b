//! A client of `com.canonical.dbusmenu`: what a panel does when the user opens a tray menu.

use zbus::{
    Proxy,
    zvariant::{OwnedValue, Structure, Value},
};

pub(super) const INTERFACE: &str = "com.canonical.dbusmenu";

/// An entry of a tray menu.
#[derive(Debug, Clone)]
pub struct MenuItem {
    /// What a click names.
    pub id: i32,
    /// Its text, without mnemonics; `----` for a separator.
    pub label: String,
    /// Whether it can be clicked.
    pub enabled: bool,
    /// Its submenu.
    pub children: Vec<MenuItem>,
}

/// The entries of the top level.
pub(super) async fn read(menu: &Proxy<'_>) -> Vec<MenuItem> {
    let _needs_update: bool = menu
        .call("AboutToShow", &(0i32,))
        .await
        .expect("the menu can be opened");
    let (_revision, root): (u32, OwnedValue) = {
        let reply = menu
            .call_method("GetLayout", &(0i32, -1i32, Vec::<String>::new()))
            .await
            .expect("the menu has a layout");
        let body = reply.body();
        let whole: Structure = body.deserialize().expect("a layout is a structure");
        let fields = whole.fields();
        let Value::U32(revision) = fields[0] else {
            panic!("a layout has a revision")
        };
        (
            revision,
            fields[1]
                .try_to_owned()
                .expect("a layout holds no file descriptors"),
        )
    };
    item(&root).children
}

/// Clicks an entry.
pub(super) async fn click(menu: &Proxy<'_>, id: i32) {
    let () = menu
        .call("Event", &(id, "clicked", Value::from(""), 0u32))
        .await
        .expect("the menu takes a click");
}

/// Every entry with its path, depth first.
pub(super) fn flatten(items: &[MenuItem]) -> Vec<(String, MenuItem)> {
    let mut all = Vec::new();
    for item in items {
        all.push((item.label.clone(), item.clone()));
        let below = flatten(&item.children);
        all.extend(
            below
                .into_iter()
                .map(|(path, child)| (format!("{}/{path}", item.label), child)),
        );
    }
    all
}

/// `(ia{sv}av)`.
fn item(value: &Value<'_>) -> MenuItem {
    let Value::Structure(entry) = unwrapped(value) else {
        panic!("not a menu entry: {value:?}")
    };
    let [
        Value::I32(id),
        Value::Dict(properties),
        Value::Array(children),
    ] = entry.fields()
    else {
        panic!("not a menu entry: {entry:?}")
    };
    let property = |name: &str| {
        properties
            .iter()
            .find(|(key, _)| **key == Value::from(name))
            .map(|(_, value)| unwrapped(value))
    };
    let text = |name| match property(name) {
        Some(Value::Str(text)) => text.as_str(),
        _ => "",
    };
    let is = |name| !matches!(property(name), Some(Value::Bool(false)));
    let label = if text("type") == "separator" {
        "----".into()
    } else {
        plain(text("label"))
    };
    MenuItem {
        id: *id,
        label,
        enabled: is("enabled") && is("visible"),
        children: children.iter().map(item).collect(),
    }
}

fn unwrapped<'v, 'd>(value: &'v Value<'d>) -> &'v Value<'d> {
    match value {
        Value::Value(inner) => unwrapped(inner),
        other => other,
    }
}

/// A single `_` marks the mnemonic; two mean one.
fn plain(label: &str) -> String {
    label
        .split("__")
        .map(|part| part.replace('_', ""))
        .collect::<Vec<_>>()
        .join("_")
}
