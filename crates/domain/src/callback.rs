//! What agents may call when they call Iris: which tools, on which teams, how often, and when they
//! have been refused so often that they are cut off.
//!
//! A remote host may be compromised, so this is decided where the call arrives, whatever the
//! agent's own permission prompt said. Times are durations since any one start.

use std::{collections::VecDeque, time::Duration};

use crate::{
    config::{RateLimit, ReverseMcpPermissions, Team},
    ids::TeamName,
    policy::{IRIS, Rule, glob_matches},
};

/// The bound on permission requests. They are no calls of the agent's choice, and each may wait for
/// a human; an agent at full speed asks once a second. More is a loop, or somebody who wants to
/// flood the human.
pub const PERMISSION_LIMIT: RateLimit = RateLimit {
    points: 300,
    duration: 60,
    block_duration: 60,
};

/// So many refusals for want of a right are no mistake any more …
pub const FAILURES_MAX: usize = 5;
/// … when they come within this time.
pub const FAILURES_WITHIN: Duration = Duration::from_secs(15 * 60);

/// Why a call is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// A pattern denies the tool.
    #[error("`{0}` in its reverseMcpPermissions.deniedTools")]
    Tool(String),
    /// No pattern allows the tool.
    #[error("its reverseMcpPermissions.allowedTools, which do not name it")]
    ToolNotAllowed,
    /// A pattern denies the team.
    #[error("`{0}` in its reverseMcpPermissions.deniedTargets")]
    Target(String),
    /// No pattern allows the team.
    #[error("its reverseMcpPermissions.allowedTargets, which do not name it")]
    TargetNotAllowed,
}

impl ReverseMcpPermissions {
    /// Whether a tool of Iris, by its bare name, may be called.
    ///
    /// # Errors
    /// What denies it.
    pub fn tool(&self, tool: &str) -> Result<(), Denied> {
        let full = format!("{IRIS}{tool}");
        // The config's check lets no other text pass; if one did, it would allow nothing.
        let matches = |pattern: &String| Rule::parse(pattern).is_ok_and(|it| it.matches(&full));
        let unreadable = |pattern: &String| Rule::parse(pattern).is_err();
        if let Some(pattern) = self
            .denied_tools
            .iter()
            .find(|pattern| matches(pattern) || unreadable(pattern))
        {
            return Err(Denied::Tool(pattern.clone()));
        }
        match &self.allowed_tools {
            Some(allowed) if !allowed.iter().any(matches) => Err(Denied::ToolNotAllowed),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether tools may be called on this team.
    ///
    /// # Errors
    /// What denies it.
    pub fn target(&self, team: &TeamName) -> Result<(), Denied> {
        let team = team.to_string();
        let matches = |pattern: &String| glob_matches(pattern.as_bytes(), team.as_bytes());
        if let Some(pattern) = self.denied_targets.iter().find(|pattern| matches(pattern)) {
            return Err(Denied::Target(pattern.clone()));
        }
        match &self.allowed_targets {
            Some(allowed) if !allowed.iter().any(matches) => Err(Denied::TargetNotAllowed),
            Some(_) | None => Ok(()),
        }
    }
}

impl Team {
    /// The bound on calls of its agents: its own; for a team on another host there always is one.
    pub fn call_limit(&self) -> Option<RateLimit> {
        self.reverse_mcp_rate_limit
            .or_else(|| self.remote.is_some().then(RateLimit::default))
    }

    /// Whether its agents are watched as those of a host that may be compromised: they run on
    /// another one, or the config says something about their calls.
    pub fn is_watched(&self) -> bool {
        self.reverse_mcp_permissions.is_some() || self.call_limit().is_some()
    }
}

/// Whether a call is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    Served,
    /// Not now.
    Refused {
        /// But again after this.
        wait: Duration,
    },
}

/// Counts calls. A window begins with a call that finds none; the call after the last one that the
/// window has room for begins a block, and after it the count starts anew.
#[derive(Debug, Clone, Default)]
pub struct RateLimiter {
    /// When the window began, and the calls in it.
    window: Option<(Duration, u32)>,
    blocked_until: Option<Duration>,
}

impl RateLimiter {
    /// A call arrives. The bound comes with it, so that a change of the config holds at once.
    pub fn on(&mut self, limit: &RateLimit, now: Duration) -> Verdict {
        if let Some(end) = self.blocked_until {
            if now < end {
                return Verdict::Refused { wait: end - now };
            }
            *self = Self::default();
        }
        let duration = Duration::from_secs(limit.duration);
        let (start, served) = match self.window {
            Some((start, served)) if now.saturating_sub(start) < duration => (start, served),
            Some(_) | None => (now, 0),
        };
        if served < limit.points {
            self.window = Some((start, served + 1));
            return Verdict::Served;
        }
        let block = Duration::from_secs(limit.block_duration);
        // Without a block the window only has to end.
        let end = now
            .saturating_add(block)
            .max(start.saturating_add(duration));
        self.blocked_until = Some(end);
        Verdict::Refused { wait: end - now }
    }
}

/// Opens when calls were refused for want of a right too often, and stays open until a human closes
/// it. What was allowed in between does not count: an attacker could do that, too.
#[derive(Debug, Clone, Default)]
pub struct Breaker {
    failures: VecDeque<Duration>,
    open: bool,
}

impl Breaker {
    /// A call was refused. True: the breaker opens now.
    pub fn failed(&mut self, now: Duration) -> bool {
        if self.open {
            return false;
        }
        self.failures
            .retain(|then| now.saturating_sub(*then) < FAILURES_WITHIN);
        self.failures.push_back(now);
        self.open = self.failures.len() >= FAILURES_MAX;
        if self.open {
            self.failures.clear();
        }
        self.open
    }

    /// A human says so.
    pub fn open(&mut self) {
        self.open = true;
        self.failures.clear();
    }

    /// Whether nothing is served any more.
    pub fn is_open(&self) -> bool {
        self.open
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn strings(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    #[test]
    fn tools_are_named_with_or_without_their_server_and_deny_wins() {
        for (allowed, denied, tool, expected) in [
            (None, &[][..], "list_teams", true),
            (Some(&["list_teams"][..]), &[], "list_teams", true),
            (Some(&["list_teams"]), &[], "send_message", false),
            (Some(&["mcp__iris__list_teams"]), &[], "list_teams", true),
            (Some(&["mcp__iris"]), &[], "list_teams", true),
            (Some(&["mcp__other__*"]), &[], "list_teams", false),
            (Some(&["team_*"]), &[], "team_wake", true),
            (Some(&["team_*"]), &["team_sleep"], "team_sleep", false),
            (Some(&["team_*"]), &["team_sleep"], "team_wake", true),
            (None, &["*"], "get_date", false),
            (Some(&["*"]), &["*_teams"], "list_teams", false),
            (Some(&["List_teams"]), &[], "list_teams", false),
            (Some(&[]), &[], "get_date", false),
            // No config can say these; they must not open anything.
            (Some(&["list_teams(x)"]), &[], "list_teams", false),
            (None, &["list_teams(x)"], "list_teams", false),
        ] {
            let permissions = ReverseMcpPermissions {
                allowed_tools: allowed.map(strings),
                denied_tools: strings(denied),
                ..ReverseMcpPermissions::default()
            };
            let said = permissions.tool(tool);
            assert_eq!(said.is_ok(), expected, "{allowed:?} {denied:?} {tool}");
        }
    }

    #[test]
    fn targets_are_globs_over_the_whole_name_and_deny_wins() {
        for (allowed, denied, team, expected) in [
            (None, &[][..], "red", true),
            (Some(&["red"][..]), &[], "red", true),
            (Some(&["red"]), &[], "redder", false),
            (Some(&["red*"]), &[], "redder", true),
            (Some(&["*"]), &["production*"], "production-eu", false),
            (Some(&["*"]), &["production*"], "staging", true),
            (None, &["production*"], "pre-production", true),
            (Some(&[]), &[], "red", false),
            (Some(&["RED"]), &[], "red", false),
        ] {
            let permissions = ReverseMcpPermissions {
                allowed_targets: allowed.map(strings),
                denied_targets: strings(denied),
                ..ReverseMcpPermissions::default()
            };
            let said = permissions.target(&team.parse().unwrap());
            assert_eq!(said.is_ok(), expected, "{allowed:?} {denied:?} {team}");
        }
    }

    #[test]
    fn a_team_elsewhere_is_always_bounded() {
        let mut team = Team::at("p");
        assert_eq!((team.call_limit(), team.is_watched()), (None, false));
        team.reverse_mcp_permissions = Some(ReverseMcpPermissions::default());
        assert_eq!((team.call_limit(), team.is_watched()), (None, true));
        team.remote = Some("me@there".to_owned());
        assert_eq!(team.call_limit(), Some(RateLimit::default()));
        let own = RateLimit {
            points: 1,
            ..RateLimit::default()
        };
        team.reverse_mcp_rate_limit = Some(own);
        assert_eq!(team.call_limit(), Some(own));
    }

    #[test]
    fn the_call_too_many_begins_the_block() {
        let limit = RateLimit {
            points: 2,
            duration: 60,
            block_duration: 300,
        };
        let refused = |seconds| Verdict::Refused {
            wait: Duration::from_secs(seconds),
        };
        let mut limiter = RateLimiter::default();
        for (at, expected) in [
            (0, Verdict::Served),
            (59, Verdict::Served),
            // A new window.
            (60, Verdict::Served),
            (61, Verdict::Served),
            (62, refused(300)),
            (63, refused(299)),
            (361, refused(1)),
            (362, Verdict::Served),
            (363, Verdict::Served),
            (364, refused(300)),
        ] {
            let said = limiter.on(&limit, Duration::from_secs(at));
            assert_eq!(said, expected, "at {at} s");
        }
    }

    #[test]
    fn bounds_at_their_edges() {
        let no_block = RateLimit {
            points: 1,
            duration: 60,
            block_duration: 0,
        };
        let mut limiter = RateLimiter::default();
        assert_eq!(limiter.on(&no_block, SECOND), Verdict::Served);
        let wait = Duration::from_secs(50);
        let said = limiter.on(&no_block, SECOND * 11);
        assert_eq!(said, Verdict::Refused { wait }, "until the window ends");
        assert_eq!(limiter.on(&no_block, SECOND * 61), Verdict::Served);
        let nothing = RateLimit {
            points: 0,
            duration: 60,
            block_duration: u64::MAX,
        };
        let said = RateLimiter::default().on(&nothing, SECOND);
        assert!(matches!(said, Verdict::Refused { .. }), "{said:?}");
    }

    #[test]
    fn the_fifth_failure_opens_the_breaker_once() {
        let mut breaker = Breaker::default();
        let opened: Vec<bool> = (0..7).map(|at| breaker.failed(SECOND * at)).collect();
        assert_eq!(opened, [false, false, false, false, true, false, false]);
        assert!(breaker.is_open());
    }

    #[test]
    fn old_failures_are_forgotten() {
        let mut breaker = Breaker::default();
        for at in 0..100 {
            // Four in any fifteen minutes.
            assert!(!breaker.failed(FAILURES_WITHIN / 4 * at), "at {at}");
        }
        assert!(!breaker.is_open());
    }

    proptest! {
        /// Whatever the calls: none is served in a block, no window serves more than its points,
        /// and what is promised to be served again is.
        #[test]
        fn no_more_than_the_points_are_served(
            points in 0_u32..5,
            duration in 1_u64..20,
            block_duration in 0_u64..30,
            gaps in prop::collection::vec(0_u64..10, 1..200),
        ) {
            let limit = RateLimit { points, duration, block_duration };
            let mut limiter = RateLimiter::default();
            let mut now = Duration::ZERO;
            let mut served: Vec<Duration> = Vec::new();
            let mut blocked = Duration::ZERO;
            for gap in gaps {
                now += Duration::from_secs(gap);
                match limiter.on(&limit, now) {
                    Verdict::Served => {
                        prop_assert!(now >= blocked, "served in a block");
                        served.push(now);
                    }
                    Verdict::Refused { wait } => {
                        prop_assert!(!wait.is_zero());
                        let again = limiter.clone().on(&limit, now + wait);
                        prop_assert_eq!(again == Verdict::Served, points > 0);
                        blocked = now + wait;
                    }
                }
                // A fixed window: at a border two of them meet.
                let window = Duration::from_secs(duration);
                let recent = served.iter().filter(|then| now - **then < window).count();
                prop_assert!(recent <= 2 * points as usize);
            }
        }

        /// The breaker opens exactly when five failures lie within its time.
        #[test]
        fn the_breaker_opens_for_five_in_its_time_only(
            gaps in prop::collection::vec(0_u64..600, 1..40),
        ) {
            let mut breaker = Breaker::default();
            let mut now = Duration::ZERO;
            let mut all: Vec<Duration> = Vec::new();
            for gap in gaps {
                now += Duration::from_secs(gap);
                all.push(now);
                let recent = all.iter().filter(|then| now - **then < FAILURES_WITHIN).count();
                prop_assert_eq!(breaker.failed(now), recent >= FAILURES_MAX);
                if breaker.is_open() {
                    return Ok(());
                }
            }
        }

        /// A denied pattern cannot be allowed by any other.
        #[test]
        fn deny_wins(name in "[a-z]{1,8}", allowed in prop::collection::vec("[a-z*]{1,8}", 0..4)) {
            prop_assume!(name.parse::<TeamName>().is_ok());
            let permissions = ReverseMcpPermissions {
                allowed_tools: Some(allowed.clone()),
                denied_tools: vec![name.clone()],
                allowed_targets: Some(allowed),
                denied_targets: vec![name.clone()],
            };
            prop_assert!(permissions.tool(&name).is_err());
            prop_assert!(permissions.target(&name.parse().unwrap()).is_err());
        }
    }
}
