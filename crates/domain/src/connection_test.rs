//! The steps of a connection test, as surfaces show them.

use serde::{Deserialize, Serialize};

use crate::Problem;

/// How a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub enum StepState {
    /// It is being done.
    Running,
    /// It worked.
    Ok,
    /// It did not: `detail` says why, `hint` what to do.
    Failed,
    /// It was not tried: an earlier one failed, or the team does without it.
    Skipped,
}

impl StepState {
    /// In one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// A step of a connection test. It comes as `running`, perhaps again with what it waits for, and
/// once more with how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "bindings", derive(ts_rs::TS))]
pub struct TestStep {
    /// What is done, in words; each step of a test has another name.
    pub name: String,
    /// How it stands.
    pub state: StepState,
    /// What was found, or what is wrong.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub detail: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "bindings", ts(optional))]
    pub hint: Option<String>,
}

impl TestStep {
    /// A step in this state, with nothing more to say.
    pub fn new(name: &str, state: StepState) -> Self {
        Self {
            name: name.to_owned(),
            state,
            detail: None,
            hint: None,
        }
    }

    /// A step that failed.
    pub fn failed(name: &str, problem: Problem) -> Self {
        Self {
            detail: Some(problem.message),
            hint: Some(problem.hint),
            ..Self::new(name, StepState::Failed)
        }
    }
}
