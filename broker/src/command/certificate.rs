//! `kerbridge certificate`: what a certificate says, and whether it would be believed. Reads files only.

mod show;
mod verify;

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Subcommand;
use rustls_pki_types::{CertificateDer, pem::PemObject as _};

pub use self::{show::ShowArguments, verify::VerifyArguments};

/// The code of a refused certificate.
const REFUSED: u8 = 1;
/// The code of a wrong use, unreadable files included.
pub(super) const USAGE: u8 = 2;

/// What can be asked about a certificate.
#[derive(Debug, Subcommand)]
#[non_exhaustive]
pub enum CertificateCommand {
    /// Validates a certificate as a login would, and prints each check with its evidence and the verdict.
    ///
    /// Ends with 0 where it is accepted, 1 where it is refused, 2 where the command cannot be carried out.
    Verify(VerifyArguments),
    /// Prints what a certificate says, as a login would read it.
    Show(ShowArguments),
}

/// Does what was asked for.
pub(super) fn run(command: CertificateCommand) -> ExitCode {
    let ended = match command {
        CertificateCommand::Verify(arguments) => verify::verify(&arguments),
        CertificateCommand::Show(arguments) => show::show(&arguments),
    };
    ended.unwrap_or_else(|fault| {
        // Where not even this can be written, the exit code still says it.
        drop(writeln!(io::stderr(), "{fault}"));
        USAGE.into()
    })
}

/// Why nothing could be said about the certificate.
#[derive(Debug, thiserror::Error)]
enum CertificateFault {
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
    #[error("{}: it holds no certificate in DER or PEM", .0.display())]
    NoCertificate(PathBuf),
    #[error("{0} certificates beside the one in question are too many: {1}")]
    Leaf(usize, crate::identity::PeerError),
    #[error("{0} is not a time such as 2026-01-01T00:00:00Z")]
    Time(String),
    #[error("the rules of {} cannot be taken", .0.display())]
    Configuration(PathBuf),
    #[error("--eku any asks for no purpose and cannot stand beside another")]
    Purposes,
    #[error("{}", .0.join("\n"))]
    Settings(Vec<String>),
}

/// A whole file.
#[expect(clippy::disallowed_methods, reason = "a command that does nothing else meanwhile")]
fn octets(path: &Path) -> Result<Vec<u8>, CertificateFault> {
    std::fs::read(path).map_err(|error| CertificateFault::File { path: path.to_owned(), error })
}

/// The certificates of a file: one in DER, or all of its PEM blocks.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateFault> {
    let file = octets(path)?;
    if file.first() == Some(&0x30) {
        return Ok(vec![file.into()]);
    }
    let blocks: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&file).collect();
    let blocks = blocks.unwrap_or_default();
    if blocks.is_empty() { Err(CertificateFault::NoCertificate(path.to_owned())) } else { Ok(blocks) }
}

/// The certificates of several files.
fn all_certificates(paths: &[PathBuf]) -> Result<Vec<CertificateDer<'static>>, CertificateFault> {
    let files: Result<Vec<_>, _> = paths.iter().map(|path| certificates(path)).collect();
    Ok(files?.concat())
}
