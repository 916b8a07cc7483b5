//! The `kerbridge` command.

use std::process::ExitCode;

use broker::command::{self, Command};
use clap::{Parser as _, error::ErrorKind};

fn main() -> ExitCode {
    match Command::try_parse() {
        Ok(command) => command.run(),
        Err(error) => {
            let asked_for = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            if error.print().is_ok() && asked_for {
                ExitCode::SUCCESS
            } else {
                command::usage_code(std::env::args_os())
            }
        }
    }
}
