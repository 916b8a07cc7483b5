//! What can be wrong with a configuration, where it stands, and how it is mended.

use std::{fmt, io};

/// One thing wrong with the configuration.
///
/// Its [`Display`](fmt::Display) is two lines for the administrator: the place and what is wrong, then how to
/// mend it. No text of a problem ever repeats a value that could be a secret.
#[derive(Debug)]
pub struct Problem {
    place: Place,
    fault: Fault,
}

impl Problem {
    pub(super) fn new(place: Place, fault: impl Into<Fault>) -> Self {
        Self { place, fault: fault.into() }
    }

    /// Where in the configuration file it stands.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// What is wrong there.
    #[must_use]
    pub fn fault(&self) -> &Fault {
        &self.fault
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.place, self.fault)?;
        write!(f, "    {}", self.fault.mend())
    }
}

/// A key of the configuration file (`frontend.key`, `gateway[2].name`) and its line, counted from one.
#[derive(Clone, Eq, PartialEq)]
pub struct Place {
    key: String,
    line: Option<usize>,
}

impl Place {
    pub(super) fn new(key: impl Into<String>, line: Option<usize>) -> Self {
        Self { key: key.into(), line }
    }

    /// The dotted key; empty for the file as a whole.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The line, counted from one, where the file says something about the key at all.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        self.line
    }
}

/// Prints the key alone, so that moved lines do not make two configurations differ.
impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.key.is_empty(), self.line) {
            (false, Some(line)) => write!(f, "line {line}, {}", self.key),
            (false, None) => f.write_str(&self.key),
            (true, Some(line)) => write!(f, "line {line}"),
            (true, None) => f.write_str("the file"),
        }
    }
}

/// What is wrong at a place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The text is not TOML here. The parser's own words, which do not repeat the text; its error would.
    #[error("{0}")]
    Syntax(String),
    /// A key or table that does not exist, with the ones that do.
    #[error("no such key here")]
    UnknownKey {
        /// The keys this table takes.
        known: Vec<&'static str>,
    },
    /// A key or table that must be there.
    #[error("missing")]
    Missing {
        /// What it looks like.
        example: String,
    },
    /// A value of another kind than the key takes.
    #[error("holds {found}, where {expected} is needed")]
    WrongType {
        /// What the key takes.
        expected: &'static str,
        /// What stands there.
        found: &'static str,
    },
    /// A list or text that must not be empty.
    #[error("is empty")]
    Empty,
    /// A text or list beyond its bound.
    #[error("is longer than {limit}")]
    TooLong {
        /// The bound: octets of a text, entries of a list.
        limit: usize,
    },
    /// A number or duration outside its range.
    #[error("is not between {low} and {high}")]
    OutOfRange {
        /// The smallest value allowed.
        low: String,
        /// The largest value allowed.
        high: String,
    },
    /// A text that does not have the form the key takes.
    #[error("is not {expected}")]
    Form {
        /// The form the key takes.
        expected: &'static str,
        /// A value of that form.
        example: &'static str,
    },
    /// A value that is not one of a closed list.
    #[error("is none of the values allowed here")]
    Choice {
        /// The values allowed.
        allowed: &'static [&'static str],
    },
    /// Two keys that exclude each other, or none of two of which one is needed.
    #[error("exactly one of {one} and {other} is needed")]
    OneOf {
        /// The first key.
        one: &'static str,
        /// The second key.
        other: &'static str,
    },
    /// A name or key used twice.
    #[error("is used a second time; the first is {first}")]
    Duplicate {
        /// Where it was used before.
        first: Place,
    },
    /// The status listener would answer the whole network.
    #[error("is not a loopback address")]
    NotLoopback,
    /// A file could not be used.
    #[error(transparent)]
    File(#[from] FileFault),
    /// A refusal by the part of the service the table configures.
    #[error("{}", Chain(.error.as_ref()))]
    Step {
        /// Its own error.
        error: Box<dyn std::error::Error + Send + Sync>,
        /// How it is mended.
        mend: &'static str,
    },
}

impl Fault {
    /// Wraps the refusal of a step's own settings.
    pub(super) fn step(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::mended(error, "correct the value; what is accepted is described in deploy/kerbridge.toml")
    }

    /// Wraps the refusal of a step's own settings, with words on how to mend it.
    pub(super) fn mended(error: impl std::error::Error + Send + Sync + 'static, mend: &'static str) -> Self {
        Self::Step { error: Box::new(error), mend }
    }

    /// How an administrator mends it, as one sentence.
    #[must_use]
    pub fn mend(&self) -> String {
        match self {
            Self::Syntax(_) => "correct the TOML at this line".to_owned(),
            Self::UnknownKey { known } => format!("remove it, or use one of: {}", known.join(", ")),
            Self::Missing { example } => format!("add it, for example: {example}"),
            Self::WrongType { expected, .. } => format!("write {expected}"),
            Self::Empty => "give it a value, or remove the key where it is optional".to_owned(),
            Self::TooLong { limit } => format!("shorten it to {limit} or less"),
            Self::OutOfRange { low, high } => format!("choose a value from {low} to {high}"),
            Self::Form { example, .. } => format!("write it like this: {example}"),
            Self::Choice { allowed } => format!("choose one of: {}", allowed.join(", ")),
            Self::OneOf { one, other } => format!("set {one} or {other}, and not both"),
            Self::Duplicate { .. } => "give each its own value, or remove one of the two".to_owned(),
            Self::NotLoopback => {
                "listen on 127.0.0.1 or [::1], or set loopback_only = false if the network may see it"
                    .to_owned()
            }
            Self::File(fault) => fault.mend().to_owned(),
            Self::Step { mend, .. } => (*mend).to_owned(),
        }
    }
}

/// Why a file named by the configuration could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileFault {
    /// The system refused to open or read it.
    #[error("the file cannot be read: {}", io_words(*.0))]
    Read(io::ErrorKind),
    /// A credential was named, but no directory of credentials was handed to the service.
    #[error("the service was started without credentials (CREDENTIALS_DIRECTORY is not set)")]
    NoCredentials,
    /// It is a directory, pipe or device.
    #[error("this is not a regular file")]
    NotRegular,
    /// It is larger than anything of its kind.
    #[error("the file is larger than {limit} octets")]
    TooLarge {
        /// The bound in octets.
        limit: u64,
    },
    /// Nothing is in it.
    #[error("the file is empty")]
    Empty,
    /// A secret that others can read.
    #[error("the secret can be read by others (mode {mode:04o})")]
    Exposed {
        /// The permission bits.
        mode: u32,
    },
    /// A file that others could change.
    #[error("the file can be changed by others (mode {mode:04o})")]
    Writable {
        /// The permission bits.
        mode: u32,
    },
    /// A secret that belongs to another user.
    #[error("the secret belongs to user {owner}, neither to root nor to the service's user {service}")]
    Owner {
        /// The owner of the file.
        owner: u32,
        /// The user the service runs as.
        service: u32,
    },
    /// A secret that must be text is not UTF-8, or holds control characters.
    #[error("the secret is not a single line of text")]
    NotText,
    /// The PEM armour is broken.
    #[error("the file is not well-formed PEM")]
    Pem,
    /// PEM without the section that is needed.
    #[error("the file holds no {0}")]
    NoSection(&'static str),
    /// More sections than anything of its kind.
    #[error("the file holds more than {limit} entries")]
    TooMany {
        /// The bound.
        limit: usize,
    },
    /// A section whose contents are not what its label says.
    #[error("entry {entry} of the file is not a well-formed {kind}")]
    Malformed {
        /// Which one, counted from one.
        entry: usize,
        /// What it should be.
        kind: &'static str,
    },
    /// The private key belongs to another certificate.
    #[error("the key does not belong to the first certificate of the chain")]
    KeyMismatch,
    /// The private key is of a kind that cannot serve TLS.
    #[error("the key is not a usable RSA, ECDSA or Ed25519 private key")]
    Key,
}

impl FileFault {
    fn mend(&self) -> &'static str {
        match self {
            Self::Read(io::ErrorKind::NotFound) => "create the file, or correct the path",
            Self::Read(io::ErrorKind::PermissionDenied) => "let the service's user read it",
            Self::Read(_) => "check the path and the file system",
            Self::NoCredentials => {
                "start the service by systemd with LoadCredential=, or set CREDENTIALS_DIRECTORY, or name a file"
            }
            Self::NotRegular => "name a regular file",
            Self::TooLarge { .. } => "check that this is the right file",
            Self::Empty => "write its contents",
            Self::Exposed { .. } => "chmod 0400 the file, and let the service's user own it",
            Self::Writable { .. } => "take the write permission from others: chmod o-w",
            Self::Owner { .. } => "chown the file to the service's user",
            Self::NotText => "write the secret alone into the file, as one line of UTF-8",
            Self::Pem | Self::NoSection(_) | Self::Malformed { .. } => {
                "check that this is the right file; PEM is needed (openssl x509 -in FILE -text shows a certificate)"
            }
            Self::TooMany { .. } => "keep only the entries that are needed",
            Self::KeyMismatch => "put the server's certificate first, and name the key it was issued for",
            Self::Key => "write an unencrypted PKCS#8, PKCS#1 or SEC1 key as PEM",
        }
    }
}

/// An error with its causes, as one clause.
struct Chain<'a>(&'a (dyn std::error::Error + Send + Sync));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut last = self.0.to_string();
        let mut next = self.0.source();
        while let Some(cause) = next {
            let words = cause.to_string();
            // Some errors already repeat their cause in their own words.
            if !last.contains(&words) {
                write!(f, ": {words}")?;
            }
            last = words;
            next = cause.source();
        }
        Ok(())
    }
}

fn io_words(kind: io::ErrorKind) -> String {
    match kind {
        io::ErrorKind::NotFound => "it does not exist".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        other => other.to_string(),
    }
}
