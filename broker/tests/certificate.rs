//! `kerbridge certificate`, run as an administrator runs it, with OpenSSL as the other judge.
#![expect(clippy::panic, clippy::indexing_slicing, reason = "a test may fail")]

#[path = "certificate/chains.rs"]
mod chains;
#[path = "certificate/corpus.rs"]
mod corpus;
#[path = "certificate/ocsp.rs"]
mod ocsp;
#[path = "certificate/verify.rs"]
mod verify;

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output};

/// Runs `kerbridge certificate`.
fn certificate<I: AsRef<OsStr>>(arguments: impl IntoIterator<Item = I>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kerbridge"));
    command.arg("certificate").args(arguments).output().expect("the program starts")
}

/// Runs openssl in a folder, which must succeed.
fn openssl(folder: &Path, arguments: &[&str]) {
    let output =
        Command::new("openssl").args(arguments).current_dir(folder).output().expect("openssl starts");
    assert!(output.status.success(), "openssl {arguments:?}: {}", words(&output));
}

/// All that a program said.
fn words(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
