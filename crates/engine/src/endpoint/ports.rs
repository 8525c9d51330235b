//! The ports on remote hosts that end at this endpoint.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

/// The remote ends of tunnels that are open now; cheap to clone. A request through one says
/// `Host: 127.0.0.1:<remote port>`, and is ours.
#[derive(Debug, Clone, Default)]
pub struct OwnPorts(Arc<RwLock<BTreeMap<u16, usize>>>);

/// Admits a port while it lives.
#[derive(Debug)]
#[must_use = "the port is admitted only while this lives"]
pub struct PortGuard {
    ports: OwnPorts,
    port: u16,
}

impl OwnPorts {
    /// While the result lives, `Host` and `Origin` with that port are ours. Tunnels on two hosts
    /// may have the same port: it is ours until the last of them ends.
    pub fn admit(&self, port: u16) -> PortGuard {
        let mut ports = self.0.write().unwrap_or_else(PoisonError::into_inner);
        *ports.entry(port).or_default() += 1;
        PortGuard {
            ports: self.clone(),
            port,
        }
    }

    pub(super) fn has_one_of(&self, wanted: &[u16]) -> bool {
        let ports = self.0.read().unwrap_or_else(PoisonError::into_inner);
        wanted.iter().any(|port| ports.contains_key(port))
    }
}

impl Drop for PortGuard {
    fn drop(&mut self) {
        let mut ports = self.ports.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = ports.get_mut(&self.port) {
            *count -= 1;
            if *count == 0 {
                ports.remove(&self.port);
            }
        }
    }
}
