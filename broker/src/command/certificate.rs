//! `kerbridge certificate`: what a certificate says, and whether it would be believed. Reads files only.

mod show;
mod verify;

use std::{
    io::{self, Read as _, Write as _},
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
pub(super) enum CertificateFault {
    #[error("{}: {error}", path.display())]
    File { path: PathBuf, error: io::Error },
    #[error("{}: it is larger than {} octets", .0.display(), .1)]
    TooLarge(PathBuf, u64),
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

/// Most octets of a file of certificates.
const MAX_CERTIFICATES_SIZE: u64 = 32 * 1024 * 1024;
/// Most octets of a file of lists or answers: the largest list that is read, in PEM.
const MAX_LISTS_SIZE: u64 = 384 * 1024 * 1024;

/// A whole file of at most so many octets. What has no end, such as a device, is not read to it.
fn octets(path: &Path, most: u64) -> Result<Vec<u8>, CertificateFault> {
    let fault = |error| CertificateFault::File { path: path.to_owned(), error };
    let mut octets = Vec::new();
    let file = std::fs::File::open(path).map_err(fault)?;
    file.take(most.saturating_add(1)).read_to_end(&mut octets).map_err(fault)?;
    match u64::try_from(octets.len()) {
        Ok(size) if size <= most => Ok(octets),
        _ => Err(CertificateFault::TooLarge(path.to_owned(), most)),
    }
}

/// The certificates of a file: one in DER, or all of its PEM blocks.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateFault> {
    let file = octets(path, MAX_CERTIFICATES_SIZE)?;
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
