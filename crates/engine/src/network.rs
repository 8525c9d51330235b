//! Says when the computer woke up or its network changed: what links are to be looked at for at once.
//!
//! Events, not polls. Linux: a netlink socket tells of links, addresses and routes; a timer that the
//! kernel cancels when the wall clock is set (`TFD_TIMER_CANCEL_ON_SET`, timerfd_create(2)) tells of
//! a wake-up, because the clock is set then. Elsewhere nothing is heard, and the proofs of the
//! links find out by themselves.

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::links::Links;

/// Nudges the links at each such event, until `shutdown`.
pub(crate) fn watch(links: &Links, tasks: &TaskTracker, shutdown: &CancellationToken) {
    #[cfg(target_os = "linux")]
    linux::watch(links, tasks, shutdown);
    #[cfg(not(target_os = "linux"))]
    let _unused = (links, tasks, shutdown);
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{
        io,
        os::fd::{AsFd as _, OwnedFd},
        time::Duration,
    };

    use rustix::{
        net::{AddressFamily, RecvFlags, SocketFlags, SocketType, netlink::SocketAddrNetlink},
        time::{
            Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
            timerfd_settime,
        },
    };
    use tokio::{
        io::{Interest, unix::AsyncFd},
        time::Instant,
    };
    use tokio_util::{sync::CancellationToken, task::TaskTracker};
    use tracing::{debug, info, warn};

    use crate::links::Links;

    /// A change of the network is many messages: an interface, its addresses, its routes.
    const SETTLE: Duration = Duration::from_millis(300);
    /// Groups of rtnetlink(7): links, IPv4 and IPv6 addresses, IPv4 and IPv6 routes.
    const GROUPS: u32 = 0x1 | 0x10 | 0x100 | 0x40 | 0x400;
    /// So far in the future that the timer never runs out; it is only ever cancelled.
    const NEVER: i64 = 1 << 40;

    pub(super) fn watch(links: &Links, tasks: &TaskTracker, shutdown: &CancellationToken) {
        match routes() {
            Ok(routes) => {
                tasks.spawn(network(routes, links.clone(), shutdown.clone()));
            }
            Err(error) => warn!(%error, "changes of the network are not heard of"),
        }
        match clock() {
            Ok(clock) => {
                tasks.spawn(wake_ups(clock, links.clone(), shutdown.clone()));
            }
            Err(error) => warn!(%error, "wake-ups are not heard of"),
        }
    }

    fn routes() -> io::Result<AsyncFd<OwnedFd>> {
        let socket = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::NONBLOCK | SocketFlags::CLOEXEC,
            None, // NETLINK_ROUTE is 0
        )?;
        rustix::net::bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
        register(socket)
    }

    fn clock() -> io::Result<AsyncFd<OwnedFd>> {
        let timer = timerfd_create(
            TimerfdClockId::Realtime,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )?;
        arm(&timer)?;
        register(timer)
    }

    #[expect(
        deprecated,
        reason = "its replacement is unsafe to call, for types that may change their descriptor; OwnedFd does not"
    )]
    fn register(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
        AsyncFd::with_interest(fd, Interest::READABLE)
    }

    fn arm(timer: &OwnedFd) -> io::Result<()> {
        let never = Itimerspec {
            it_interval: Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            },
            it_value: Timespec {
                tv_sec: NEVER,
                tv_nsec: 0,
            },
        };
        let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
        timerfd_settime(timer.as_fd(), flags, &never)?;
        Ok(())
    }

    async fn network(routes: AsyncFd<OwnedFd>, links: Links, shutdown: CancellationToken) {
        let mut buffer = vec![0_u8; 16 * 1024];
        loop {
            let heard = tokio::select! {
                () = shutdown.cancelled() => return,
                heard = drain(&routes, &mut buffer) => heard,
            };
            // Too many messages for the socket (ENOBUFS) is news as well.
            if let Err(error) = heard {
                debug!(%error, "a message about the network was missed");
            }
            let settled = Instant::now() + SETTLE;
            while tokio::time::timeout_at(settled, drain(&routes, &mut buffer))
                .await
                .is_ok()
            {}
            info!("the network changed");
            links.nudge();
        }
    }

    async fn drain(routes: &AsyncFd<OwnedFd>, buffer: &mut [u8]) -> io::Result<()> {
        let mut ready = routes.readable().await?;
        let read = ready.try_io(|routes| {
            let (read, _) =
                rustix::net::recv(routes.get_ref(), &mut buffer[..], RecvFlags::DONTWAIT)?;
            Ok(read)
        });
        match read {
            Ok(read) => read.map(drop),
            // Not readable after all.
            Err(_) => Ok(()),
        }
    }

    async fn wake_ups(clock: AsyncFd<OwnedFd>, links: Links, shutdown: CancellationToken) {
        loop {
            let mut ready = tokio::select! {
                () = shutdown.cancelled() => return,
                ready = clock.readable() => match ready {
                    Ok(ready) => ready,
                    Err(error) => return warn!(%error, "wake-ups are not heard of any more"),
                },
            };
            let mut count = [0_u8; 8];
            // ECANCELED: the clock was set.
            let read = rustix::io::read(clock.get_ref(), &mut count);
            ready.clear_ready();
            if let Err(error) = arm(clock.get_ref()) {
                return warn!(%error, "wake-ups are not heard of any more");
            }
            if read == Err(rustix::io::Errno::CANCELED) {
                info!("the computer woke up, or its clock was set");
                links.nudge();
            }
        }
    }
}
