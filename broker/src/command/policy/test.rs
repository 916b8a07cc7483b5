//! `kerbridge policy test`.

use std::{fmt::Write as _, path::PathBuf, process::ExitCode};

use clap::Args;
use serde::Serialize;

use super::{Beside, Meant, NOT_SO, PolicyFault, Which, text};
use crate::{
    clock,
    policy::{Cases, Outcome},
};

/// Which cases are put before which policies.
#[derive(Args, Debug)]
pub struct TestArguments {
    /// The cases: who wants what, how, and what the policies should answer.
    #[arg(value_name = "CASES")]
    cases: PathBuf,
    #[command(flatten)]
    which: Which,
    /// Prints one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    cases: &'a [Outcome],
    as_expected: usize,
    otherwise: usize,
}

/// Says of each case whether the policies answer as it expects.
pub(super) fn test(arguments: &TestArguments) -> Result<ExitCode, PolicyFault> {
    let path = &arguments.cases;
    let cases =
        Cases::parse(&text(path)?).map_err(|error| PolicyFault::Cases { path: path.clone(), error })?;
    let beside = Beside { gateways: cases.gateways(), realms: cases.realms(), services: cases.services() };
    let Meant { policy, targets } = match arguments.which.policies(beside)? {
        Ok(meant) => meant,
        Err(problems) => {
            let words: String = problems.iter().map(|problem| format!("{problem}\n")).collect();
            let written = crate::command::say(&words);
            return Ok(if written == ExitCode::SUCCESS { NOT_SO.into() } else { written });
        }
    };
    let outcomes = cases.run(&policy, &targets, clock::now());
    let otherwise = outcomes.iter().filter(|outcome| !outcome.differences.is_empty()).count();
    let as_expected = outcomes.len().saturating_sub(otherwise);
    let report = Report { cases: &outcomes, as_expected, otherwise };
    let words = if arguments.json {
        let mut json = serde_json::to_string_pretty(&report).unwrap_or_default();
        json.push('\n');
        json
    } else {
        words(&path.display().to_string(), &report)
    };
    let written = crate::command::say(&words);
    Ok(if otherwise > 0 && written == ExitCode::SUCCESS { NOT_SO.into() } else { written })
}

fn words(file: &str, report: &Report<'_>) -> String {
    let mut words = String::new();
    for Outcome { name, line, answer, differences } in report.cases {
        let verdict = if differences.is_empty() { "ok" } else { "DIFFERS" };
        let by = answer.policies.join(", ");
        writeln!(words, "{file}:{line}: {name}: {verdict}: {} by [{by}]", answer.decision)
            .expect("a String takes every write");
        for difference in differences {
            let (key, expected, found) = (difference.key, &difference.expected, &difference.found);
            writeln!(words, "  {key}: expected {expected:?}, found {found:?}")
                .expect("a String takes every write");
        }
        if let Some(reason) = answer.reason.as_ref().filter(|_| !differences.is_empty()) {
            writeln!(words, "  because: {reason}").expect("a String takes every write");
        }
    }
    let Report { as_expected, otherwise, .. } = report;
    writeln!(words, "{as_expected} as expected, {otherwise} otherwise").expect("a String takes every write");
    words
}
