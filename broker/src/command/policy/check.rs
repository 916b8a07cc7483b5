//! `kerbridge policy check`.

use std::{fmt::Write as _, process::ExitCode};

use clap::Args;

use super::{Beside, Meant, NOT_SO, PolicyFault, Which};

/// Which policies are checked.
#[derive(Args, Debug)]
pub struct CheckArguments {
    #[command(flatten)]
    which: Which,
}

/// Says what each policy is about, or what is wrong.
pub(super) fn check(arguments: &CheckArguments) -> Result<ExitCode, PolicyFault> {
    let mut words = String::new();
    let sound = match arguments.which.policies(Beside::default())? {
        Ok(Meant { policy, .. }) => {
            let policies = policy.overview();
            for one in &policies {
                writeln!(words, "{one}").expect("a String takes every write");
            }
            writeln!(words, "{} policies are sound", policies.len()).expect("a String takes every write");
            true
        }
        Err(problems) => {
            for problem in &problems {
                writeln!(words, "{problem}").expect("a String takes every write");
            }
            writeln!(words, "{} problem(s)", problems.len()).expect("a String takes every write");
            false
        }
    };
    let written = crate::command::say(&words);
    Ok(if sound || written != ExitCode::SUCCESS { written } else { NOT_SO.into() })
}
