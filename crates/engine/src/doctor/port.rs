//! The port of the endpoint: free, ours, or taken by whom.

use std::{
    io,
    net::{Ipv4Addr, TcpListener},
};

use super::Check;

const NAME: &str = "port";

/// `running`: the endpoint of the Iris that runs on this home.
pub(super) fn check(port: u16, running: Option<&str>) -> Check {
    if let Some(endpoint) = running {
        return Check::ok(NAME, format!("the running Iris answers at {endpoint}"));
    }
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => Check::ok(NAME, format!("{port} is free")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Check::failed(
            NAME,
            match holder(port) {
                Some(holder) => format!("{port} is taken by {holder}"),
                None => format!("{port} is taken by a program of another user"),
            },
            "End that program, or give Iris another port: `settings.httpPort`, IRIS_HTTP_PORT or `iris serve --port N`.",
        ),
        Err(error) => Check::failed(
            NAME,
            format!("{port} cannot be used: {error}"),
            "Give Iris a port from 1024 to 65535: `settings.httpPort`, IRIS_HTTP_PORT or `iris serve --port N`.",
        ),
    }
}

/// Who listens on a TCP port of this machine, as `name (pid N)`; `None` when it cannot be seen
/// (programs of other users, systems without `/proc`).
pub fn holder(port: u16) -> Option<String> {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| std::fs::read_to_string(table).ok())
        .flat_map(|table| listeners(&table, port))
        .collect();
    if inodes.is_empty() {
        return None;
    }
    // What vanishes or is closed to us while we look is skipped: this is a best effort.
    std::fs::read_dir("/proc")
        .ok()?
        .flatten()
        .find_map(|process| {
            let pid: u32 = process.file_name().to_str()?.parse().ok()?;
            let holds = std::fs::read_dir(process.path().join("fd"))
                .ok()?
                .flatten()
                .any(|fd| {
                    std::fs::read_link(fd.path()).is_ok_and(|target| {
                        inodes
                            .iter()
                            .any(|inode| target.as_os_str() == inode.as_str())
                    })
                });
            let name = std::fs::read_to_string(process.path().join("comm")).ok()?;
            holds.then(|| format!("{} (pid {pid})", iris_domain::display::one_line(&name, 40)))
        })
}

/// The sockets that listen on a port, as `/proc/PID/fd` names them, from a table as in proc(5).
fn listeners(table: &str, port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut fields = line.split_whitespace();
            let local = fields.nth(1)?;
            let state = fields.nth(1)?;
            let inode = fields.nth(5)?;
            let (_, hex) = local.rsplit_once(':')?;
            (state == LISTEN && u16::from_str_radix(hex, 16).ok()? == port)
                .then(|| format!("socket:[{inode}]"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Health;

    #[test]
    fn a_taken_port_names_its_holder() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let check = check(port, None);
        assert_eq!(check.health, Health::Failed);
        let me = format!("(pid {})", std::process::id());
        assert!(check.found.contains(&me), "{check:?}");
    }

    #[test]
    fn the_running_iris_is_not_a_stranger() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(
            check(port, Some("http://127.0.0.1:1/mcp")).health,
            Health::Ok
        );
    }
}
