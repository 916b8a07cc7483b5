//! Revocation lists as OpenSSL makes them: complete, delta, and with where the delta is.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::Credential;
use crate::process;

const LIMIT: Duration = Duration::from_secs(30);

/// `openssl ca` with the key of the cards' issuer.
#[derive(Debug)]
pub struct OpensslLists {
    folder: TempDir,
}

/// A list to be.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ListRequest<'a> {
    revoked: Vec<&'a Credential>,
    number: u32,
    hours: u32,
    ended: bool,
    base: Option<u8>,
    delta_at: Option<String>,
}

impl<'a> ListRequest<'a> {
    /// A complete list with a number, which ends in a week.
    pub fn numbered(number: u32) -> Self {
        Self { number, hours: 7 * 24, ..Self::default() }
    }

    /// Revokes these.
    pub fn revoking(mut self, cards: &[&'a Credential]) -> Self {
        self.revoked = cards.to_vec();
        self
    }

    /// Lets it end in so many hours.
    pub fn hours(mut self, hours: u32) -> Self {
        self.hours = hours;
        self
    }

    /// Lets it have ended years ago.
    pub fn ended(mut self) -> Self {
        self.ended = true;
        self
    }

    /// Makes it a delta list to the complete one of a number below 128.
    pub fn delta_of(mut self, base: u8) -> Self {
        self.base = Some(base);
        self
    }

    /// Says where its delta list is (freshestCRL).
    pub fn with_delta_at(mut self, url: &str) -> Self {
        self.delta_at = Some(url.to_owned());
        self
    }
}

impl OpensslLists {
    pub(super) fn new(certificate_pem: &str, key_pem: &str) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("ca.pem"), certificate_pem)?;
        fs::write(folder.path().join("ca.key"), key_pem)?;
        Ok(Self { folder })
    }

    /// The folder, for files of the test.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a list, DER.
    ///
    /// # Errors
    /// Where OpenSSL does not.
    pub fn make(&self, request: &ListRequest<'_>) -> io::Result<Vec<u8>> {
        let mut index = String::new();
        for card in &request.revoked {
            let serial = format!("{:X}", card.serial());
            let serial = if serial.len() % 2 == 1 { format!("0{serial}") } else { serial };
            writeln!(index, "R\t400101000000Z\t200101000000Z,keyCompromise\t{serial}\tunknown\t/CN=card")
                .map_err(io::Error::other)?;
        }
        fs::write(self.file("index.txt"), index)?;
        fs::write(self.file("crlnumber"), format!("{:04X}\n", request.number))?;
        fs::write(self.file("openssl.cnf"), self.configuration(request))?;
        let mut openssl = Command::new("openssl");
        openssl
            .args(["ca", "-gencrl", "-config", "openssl.cnf", "-out", "list.pem"])
            .current_dir(self.folder.path());
        if request.ended {
            openssl.args(["-crl_lastupdate", "20200101000000Z", "-crl_nextupdate", "20200102000000Z"]);
        }
        self.run(openssl)?;
        let mut openssl = Command::new("openssl");
        openssl
            .args(["crl", "-in", "list.pem", "-outform", "DER", "-out", "list.crl"])
            .current_dir(self.folder.path());
        self.run(openssl)?;
        octets(&self.file("list.crl"))
    }

    /// A certs-only CMS message of the issuer's certificate (`.p7c`), DER.
    ///
    /// # Errors
    /// Where OpenSSL does not.
    pub fn certs_only(&self) -> io::Result<Vec<u8>> {
        let mut openssl = Command::new("openssl");
        openssl
            .args(["crl2pkcs7", "-nocrl", "-certfile", "ca.pem", "-outform", "DER", "-out", "ca.p7c"])
            .current_dir(self.folder.path());
        self.run(openssl)?;
        octets(&self.file("ca.p7c"))
    }

    fn run(&self, openssl: Command) -> io::Result<()> {
        let finished = process::run(openssl, b"", LIMIT).map_err(io::Error::other)?;
        if finished.succeeded() { Ok(()) } else { Err(io::Error::other(finished.error_text())) }
    }

    fn configuration(&self, request: &ListRequest<'_>) -> String {
        let delta = request
            .base
            .map_or_else(String::new, |base| format!("2.5.29.27 = critical,DER:0201{base:02x}\n"));
        let freshest = request.delta_at.as_ref();
        let freshest = freshest.map_or_else(String::new, |url| format!("freshestCRL = URI:{url}\n"));
        let hours = request.hours;
        format!(
            "[ca]\ndefault_ca = issuing\n[issuing]\ndatabase = index.txt\ncrlnumber = crlnumber\ncertificate = ca.pem\n\
             private_key = ca.key\ndefault_md = sha256\ndefault_crl_hours = {hours}\ndefault_crl_days = 0\ncrl_extensions = list\n\
             [list]\nauthorityKeyIdentifier = keyid\n{delta}{freshest}"
        )
    }
}

#[expect(clippy::disallowed_methods, reason = "the harness blocks")]
fn octets(path: &std::path::Path) -> io::Result<Vec<u8>> {
    fs::read(path)
}
