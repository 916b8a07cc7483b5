//! Policies that are tried beside the live ones. What is wrong with them is told, and is no obstacle to anything.

use std::sync::Arc;

use super::{Loader, policy::ComputersNotRead};
use crate::{
    config::{Warning, document::Problems, raw},
    policy::{Policy, Settings},
};

/// Most problems of a candidate that are told.
const MOST_TOLD: usize = 16;

impl Loader<'_> {
    /// The policies of these files in the place of the live ones'; nothing where none are named, or where one is not sound.
    pub(super) fn candidate(
        &self,
        raw: &raw::Policy,
        live: Option<&Settings>,
        warnings: &mut Vec<Warning>,
    ) -> Option<Arc<Policy>> {
        let named = &raw.candidate;
        if named.is_empty() {
            return None;
        }
        let problems = Problems::default();
        let apart = Loader { problems: &problems, ..*self };
        let files = apart.policy_files(named);
        let mut found: Vec<String> = problems
            .into_sorted()
            .iter()
            .map(|problem| format!("{}: {}", problem.place(), problem.fault()))
            .collect();
        // Where the live policies' settings are not sound, that is told as a problem.
        let compiled =
            live.zip(files).map(|(live, files)| Policy::compile(&Settings { files, ..live.clone() }));
        let candidate = match compiled {
            Some(Ok(policy)) => {
                found.extend(ComputersNotRead::among(&policy, raw).iter().map(ToString::to_string));
                found.is_empty().then(|| Arc::new(policy))
            }
            Some(Err(problems)) => {
                found.extend(problems.iter().map(ToString::to_string));
                None
            }
            None => None,
        };
        let told = found.into_iter().take(MOST_TOLD);
        warnings.extend(told.map(|problem| Warning::CandidateNotTried { problem }));
        candidate
    }
}
