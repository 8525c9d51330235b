//! Which of the waiting approvals notifications tell of, and how.
//!
//! Few are told of one by one, each with its buttons. More come as one that counts them, which stays one
//! until a single approval of it is left: answering one of many must not bring the others on the screen.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    ids::{ApprovalId, TeamName},
    snapshot::ApprovalView,
};

/// So many are told of one by one; more are one notification.
pub const EACH_MAX: usize = 3;

/// What speaks for or against telling the human now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// Nothing speaks against it.
    Open,
    /// The human looks at the approvals in the window: they see what comes.
    Watched,
    /// Quiet hours: what comes is told of at their end, as one.
    Quiet,
    /// The human wants no notifications.
    Off,
}

/// What is on the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Announced {
    /// These, one by one, oldest first.
    Each(Vec<ApprovalId>),
    /// Several as one.
    Together(Counts),
}

/// How many wait of which team, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts(pub BTreeMap<TeamName, usize>);

impl Counts {
    /// `6 approvals wait for you`.
    pub fn title(&self) -> String {
        let all: usize = self.0.values().sum();
        format!("{all} approvals wait for you")
    }

    /// `alpha 4, beta 2`.
    pub fn by_team(&self) -> String {
        let each = self.0.iter().map(|(team, n)| format!("{team} {n}"));
        each.collect::<Vec<_>>().join(", ")
    }
}

/// What was told so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Announcer {
    /// Known to the human: seen in the window, or its notification was closed.
    known: BTreeSet<ApprovalId>,
    /// Told of as one, or to be.
    together: BTreeSet<ApprovalId>,
}

impl Announcer {
    /// What is to be on the screen while these wait for the human, oldest first.
    pub fn step(&mut self, waiting: &[&ApprovalView], mood: Mood) -> Announced {
        let waits = |id: &ApprovalId| waiting.iter().any(|view| view.id == *id);
        self.known.retain(waits);
        self.together.retain(waits);
        let nothing = Announced::Each(Vec::new());
        match mood {
            Mood::Off => return nothing,
            Mood::Watched => {
                self.known
                    .extend(waiting.iter().map(|view| view.id.clone()));
                return nothing;
            }
            Mood::Quiet => {
                let fresh = waiting.iter().filter(|view| !self.known.contains(&view.id));
                self.together.extend(fresh.map(|view| view.id.clone()));
                return nothing;
            }
            Mood::Open => {}
        }
        let fresh: Vec<&ApprovalView> = waiting
            .iter()
            .copied()
            .filter(|view| !self.known.contains(&view.id))
            .collect();
        self.together.retain(|id| !self.known.contains(id));
        if fresh.len() > EACH_MAX || self.together.len() > 1 {
            self.together
                .extend(fresh.iter().map(|view| view.id.clone()));
            let mut counts = BTreeMap::new();
            for view in fresh {
                *counts.entry(view.team.clone()).or_default() += 1;
            }
            return Announced::Together(Counts(counts));
        }
        self.together.clear();
        Announced::Each(fresh.into_iter().map(|view| view.id.clone()).collect())
    }

    /// The human closed the notification of this approval: it is not told of again.
    pub fn closed(&mut self, id: ApprovalId) {
        self.known.insert(id);
    }

    /// The human closed the one that counts: none of those is told of again.
    pub fn closed_together(&mut self) {
        self.known.append(&mut self.together);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::tests::approval;

    /// Approvals by id; the first letter is the team.
    fn views(ids: &[&str]) -> Vec<ApprovalView> {
        let view = |id: &&str| ApprovalView {
            team: id[..1].parse().unwrap(),
            ..approval(id)
        };
        ids.iter().map(view).collect()
    }

    /// `a1 a2`, or `2: a 1, b 1`.
    fn step(announcer: &mut Announcer, ids: &str, mood: Mood) -> String {
        let ids: Vec<&str> = ids.split_whitespace().collect();
        let views = views(&ids);
        let refs: Vec<&ApprovalView> = views.iter().collect();
        match announcer.step(&refs, mood) {
            Announced::Each(ids) => {
                let ids: Vec<String> = ids.into_iter().map(|id| id.0).collect();
                ids.join(" ")
            }
            Announced::Together(counts) => {
                let title = counts.title();
                let n = title.split(' ').next().unwrap();
                format!("{n}: {}", counts.by_team())
            }
        }
    }

    #[test]
    fn what_is_told_follows_the_table() {
        use Mood::{Off, Open, Quiet, Watched};
        // One story each: what waits, the mood, what is on the screen then.
        let stories: [&[(&str, Mood, &str)]; 7] = [
            // Few are told one by one, many as one, and it stays one until one is left.
            &[
                ("a1", Open, "a1"),
                ("a1 a2 b1", Open, "a1 a2 b1"),
                ("a1 a2 b1 b2", Open, "4: a 2, b 2"),
                ("a1 a2 b1 b2 b3", Open, "5: a 2, b 3"),
                ("a1 b3", Open, "2: a 1, b 1"),
                ("a1 b3 c1", Open, "3: a 1, b 1, c 1"),
                ("c1", Open, "c1"),
                ("c1 a5", Open, "c1 a5"),
            ],
            // Quiet hours: nothing, then all as one.
            &[
                ("a1 a2", Quiet, ""),
                ("a1 a2", Open, "2: a 2"),
                ("a1 a2 b1", Open, "3: a 2, b 1"),
            ],
            // A single one is told as ever.
            &[("a1", Quiet, ""), ("a1", Open, "a1")],
            // What was answered in quiet hours is not told of.
            &[
                ("a1 a2 a3", Quiet, ""),
                ("", Quiet, ""),
                ("", Open, ""),
                ("a4", Open, "a4"),
            ],
            // Who looks at the window knows.
            &[
                ("a1", Open, "a1"),
                ("a1 a2", Watched, ""),
                ("a1 a2", Open, ""),
                ("a1 a2 b1", Open, "b1"),
            ],
            &[
                ("a1", Watched, ""),
                ("a1 a2", Quiet, ""),
                ("a1 a2", Open, "a2"),
            ],
            // Turned off, and on again.
            &[("a1", Off, ""), ("a1", Open, "a1")],
        ];
        for story in stories {
            let mut announcer = Announcer::default();
            for (at, (waiting, mood, told)) in story.iter().enumerate() {
                let is = step(&mut announcer, waiting, *mood);
                assert_eq!(is, *told, "step {at} of {story:?}");
            }
        }
    }

    #[test]
    fn what_was_closed_is_not_told_of_again() {
        let mut announcer = Announcer::default();
        assert_eq!(step(&mut announcer, "a1 a2", Mood::Open), "a1 a2");
        announcer.closed(ApprovalId("a1".into()));
        assert_eq!(step(&mut announcer, "a1 a2", Mood::Open), "a2");
        assert_eq!(step(&mut announcer, "a1 a2 a3 a4 a5", Mood::Open), "4: a 4");
        announcer.closed_together();
        assert_eq!(step(&mut announcer, "a1 a2 a3 a4 a5", Mood::Open), "");
        assert_eq!(step(&mut announcer, "a1 a2 a3 a4 a5 b1", Mood::Open), "b1");
    }
}
