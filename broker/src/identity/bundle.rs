//! A directory of revocation lists that somebody else keeps filled, for a service without a way to the authorities. Reads files.
//!
//! The directory is looked at again and again. A file that cannot be read, or is half written, costs nothing but a warning: the
//! lists that came from it before stay. So does a list whose file now has an older one.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{Metadata, OpenOptions, read_dir};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rustix::fs::OFlags;

use super::revocation::{Crl, CrlError, MAX_CRL_SIZE, split, split_signed_data};
use super::signed_data::SignedData;

/// Most files of the directory that are read.
const MAX_FILES: usize = 1024;
/// Most octets of all files together.
const MAX_TOTAL: u64 = 1024 * 1024 * 1024;

/// Why a file, or the directory, gives nothing new.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Read(io::ErrorKind),
    /// Everybody may change it.
    #[error("everybody may change it (mode {mode:o})")]
    Writable {
        /// Its mode.
        mode: u32,
    },
    /// Everybody may put files into the directory, or take them out.
    #[error("everybody may put files into it (mode {mode:o}), so that none of it is read; chmod o-w")]
    WritableDirectory {
        /// Its mode.
        mode: u32,
    },
    /// It was a file a moment ago and is none any more.
    #[error("it is not a regular file")]
    NotAFile,
    /// What is in it is no list; it may be half written.
    #[error("{0}")]
    Crl(#[from] CrlError),
    /// A list in it is older than the one that was in it before, which stays in use.
    #[error("the list in it is older than the one before, which stays in use")]
    Older,
    /// More files, or larger ones, than are read.
    #[error("the directory has more than {MAX_FILES} files or {MAX_TOTAL} octets, the rest is not read")]
    TooMuch,
}

/// A file that has changed, and what came of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BundleChange {
    /// The file; of a problem with the directory, the directory.
    pub path: PathBuf,
    /// How many lists are in use of it now.
    pub lists: usize,
    /// What is the matter with it.
    pub error: Option<BundleError>,
}

/// The lists of one directory, as they were last found.
pub struct Bundle {
    directory: PathBuf,
    files: Mutex<BTreeMap<OsString, Entry>>,
    lists: RwLock<Arc<[Arc<Crl>]>>,
    /// What was the matter with the directory itself.
    error: Mutex<Option<BundleError>>,
}

/// What is known of one file.
struct Entry {
    stamp: Stamp,
    lists: Vec<Arc<Crl>>,
}

/// What tells that a file is not what it was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Stamp {
    inode: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(facts: &Metadata) -> Self {
        Self {
            inode: (facts.dev(), facts.ino()),
            size: facts.size(),
            modified: (facts.mtime(), facts.mtime_nsec()),
            changed: (facts.ctime(), facts.ctime_nsec()),
        }
    }
}

impl Bundle {
    /// A directory that has not been looked at.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        let (files, error) = (Mutex::default(), Mutex::default());
        Self { directory, files, lists: RwLock::new(Arc::new([])), error }
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The lists, the newest first.
    pub(crate) fn lists(&self) -> Arc<[Arc<Crl>]> {
        Arc::clone(&self.lists.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks at the directory. Returns what has changed since the last look. Blocks.
    pub fn look(&self) -> Vec<BundleChange> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changes = Vec::new();
        let found = self.found();
        self.note(found.as_ref().err().cloned(), &mut changes);
        let Ok(found) = found else { return changes };
        let before = files.len();
        files.retain(|name, _| found.iter().any(|(known, _)| known == name));
        let mut any = files.len() < before;
        for (name, facts) in found {
            let stamp = Stamp::of(&facts);
            let known = files.get(&name);
            if known.is_some_and(|known| known.stamp == stamp) {
                continue;
            }
            let path = self.directory.join(&name);
            let before = known.map(|known| known.lists.clone()).unwrap_or_default();
            let (lists, error) = match read(&path) {
                Ok(lists) => succeeded(&before, lists),
                Err(error) => (before, Some(error)),
            };
            changes.push(BundleChange { path, lists: lists.len(), error });
            files.insert(name, Entry { stamp, lists });
            any = true;
        }
        if any {
            let mut lists: Vec<Arc<Crl>> = files.values().flat_map(|file| &file.lists).cloned().collect();
            lists.sort_by_key(|list| std::cmp::Reverse(list.this_update()));
            *self.lists.write().unwrap_or_else(PoisonError::into_inner) = lists.into();
        }
        changes
    }

    /// The files that are there, in the order of their names.
    fn found(&self) -> Result<Vec<(OsString, Metadata)>, BundleError> {
        let read = |error: io::Error| BundleError::Read(error.kind());
        // Whoever can put files into it, or take them out, decides who is not revoked. A sticky bit keeps others' files in
        // place and lets new ones in all the same.
        let mode = self.directory.metadata().map_err(read)?.mode() & 0o7777;
        if mode & 0o002 != 0 {
            return Err(BundleError::WritableDirectory { mode });
        }
        let mut found = Vec::new();
        for entry in read_dir(&self.directory).map_err(read)? {
            let name = entry.map_err(read)?.file_name();
            // Whoever fills the directory writes to such names first, and then gives the file its own.
            let text = name.to_string_lossy();
            if text.starts_with('.') || [".tmp", ".part", "~"].iter().any(|end| text.ends_with(end)) {
                continue;
            }
            // What has gone in between is gone.
            let Ok(facts) = self.directory.join(&name).metadata() else { continue };
            if facts.is_file() {
                found.push((name, facts));
            }
        }
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        let total: u64 = found.iter().map(|(_, facts)| facts.size()).fold(0, u64::saturating_add);
        if found.len() > MAX_FILES || total > MAX_TOTAL { Err(BundleError::TooMuch) } else { Ok(found) }
    }

    /// Tells of a problem with the directory itself once.
    fn note(&self, error: Option<BundleError>, changes: &mut Vec<BundleChange>) {
        let mut known = self.error.lock().unwrap_or_else(PoisonError::into_inner);
        if *known != error {
            let (path, lists) = (self.directory.clone(), self.lists().len());
            changes.push(BundleChange { path, lists, error: error.clone() });
            *known = error;
        }
    }
}

impl std::fmt::Debug for Bundle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bundle").field("directory", &self.directory).finish_non_exhaustive()
    }
}

/// The lists of a file: DER, PEM with one or several blocks, or a CMS message that carries them.
fn read(path: &Path) -> Result<Vec<Arc<Crl>>, BundleError> {
    let failed = |error: io::Error| BundleError::Read(error.kind());
    // What it is is asked of the open file: by its name it may be another one by now. A pipe would not be opened until
    // somebody writes to it, and a device might do something.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(failed)?;
    let facts = file.metadata().map_err(failed)?;
    if !facts.is_file() {
        return Err(BundleError::NotAFile);
    }
    // Whoever can write it decides who is not revoked.
    let mode = facts.mode() & 0o7777;
    if mode & 0o002 != 0 {
        return Err(BundleError::Writable { mode });
    }
    let limit = u64::try_from(MAX_CRL_SIZE).unwrap_or(u64::MAX).saturating_mul(2);
    let mut octets = Vec::with_capacity(usize::try_from(facts.size().min(limit)).unwrap_or_default());
    file.take(limit).read_to_end(&mut octets).map_err(failed)?;
    let encoded = encoded_lists(octets);
    if encoded.is_empty() {
        return Err(CrlError::Encoding.into());
    }
    encoded.iter().map(|list| Ok(Arc::new(Crl::parse(list)?))).collect()
}

fn encoded_lists(file: Vec<u8>) -> Vec<Vec<u8>> {
    const PKCS7: &[u8] = b"-----BEGIN PKCS7-----";
    if let Some(message) = SignedData::parse(&file) {
        return message.lists;
    }
    if file.windows(PKCS7.len()).take(4096).any(|part| part == PKCS7) {
        let messages = split_signed_data(file);
        return messages.iter().filter_map(|one| SignedData::parse(one)).flat_map(|one| one.lists).collect();
    }
    split(file)
}

/// The lists of a file after those that were in it before: what is older than its predecessor does not take its place.
fn succeeded(before: &[Arc<Crl>], lists: Vec<Arc<Crl>>) -> (Vec<Arc<Crl>>, Option<BundleError>) {
    let mut error = None;
    let lists = lists.into_iter().map(|list| {
        let mut of_series = before.iter().filter(|old| list.is_of_series(old));
        match of_series.find(|old| old.is_newer_than(&list)) {
            Some(newer) => {
                error = Some(BundleError::Older);
                Arc::clone(newer)
            }
            None => list,
        }
    });
    let lists = lists.collect();
    (lists, error)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use rcgen::SerialNumber;

    use super::super::testing::{Authority, tlv};
    use super::*;

    struct Folder {
        folder: tempfile::TempDir,
        bundle: Bundle,
    }

    impl Folder {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let bundle = Bundle::new(folder.path().to_owned());
            Self { folder, bundle }
        }

        /// As it should be done: under another name first.
        fn put(&self, name: &str, octets: &[u8]) {
            let before = self.folder.path().join(format!(".{name}"));
            fs::write(&before, octets).unwrap();
            fs::rename(before, self.folder.path().join(name)).unwrap();
        }

        fn issuers(&self) -> Vec<String> {
            self.bundle.lists().iter().map(|list| list.issuer().to_string()).collect()
        }

        /// The only problem of a look.
        fn error(&self) -> Option<BundleError> {
            let mut changes = self.bundle.look();
            assert_eq!(changes.len(), 1, "{changes:?}");
            changes.remove(0).error
        }
    }

    fn numbered(authority: &Authority, number: u64) -> Vec<u8> {
        authority.crl_with(|params| params.crl_number = SerialNumber::from(number))
    }

    #[test]
    fn the_files_of_the_directory_are_its_lists() {
        let folder = Folder::new();
        assert_eq!(folder.bundle.look(), []);
        let [a, b, c] = ["A", "B", "C"].map(Authority::root);
        folder.put("a.crl", &a.crl());
        let pem = |der: &[u8]| {
            use base64::Engine as _;
            let text = base64::engine::general_purpose::STANDARD.encode(der);
            format!("-----BEGIN X509 CRL-----\n{text}\n-----END X509 CRL-----\n")
        };
        folder.put("b-and-c.pem", format!("{}{}", pem(&b.crl()), pem(&c.crl())).as_bytes());
        assert_eq!(folder.bundle.look().len(), 2);
        assert_eq!(folder.bundle.look(), [], "nothing has changed");
        let mut issuers = folder.issuers();
        issuers.sort();
        assert_eq!(issuers, ["CN=A,O=Corp", "CN=B,O=Corp", "CN=C,O=Corp"]);
        fs::remove_file(folder.folder.path().join("b-and-c.pem")).unwrap();
        folder.bundle.look();
        assert_eq!(folder.issuers(), ["CN=A,O=Corp"]);
    }

    #[test]
    fn a_half_written_file_leaves_the_old_list_in_use_and_is_told_once() {
        let (folder, root) = (Folder::new(), Authority::root("Root"));
        folder.put("root.crl", &root.crl());
        folder.put("other.crl", &Authority::root("Other").crl());
        folder.bundle.look();
        let new = numbered(&root, 8);
        fs::write(folder.folder.path().join("root.crl"), &new[..new.len() / 2]).unwrap();
        assert_eq!(folder.error(), Some(BundleError::Crl(CrlError::Encoding)));
        assert_eq!(folder.bundle.look(), []);
        assert_eq!(folder.issuers().len(), 2);
        fs::write(folder.folder.path().join("root.crl"), &new).unwrap();
        assert_eq!(folder.error(), None);
        assert_eq!(folder.issuers().len(), 2);
    }

    #[test]
    fn an_older_list_does_not_take_the_place_of_a_newer_one() {
        let (folder, root) = (Folder::new(), Authority::root("Root"));
        folder.put("root.crl", &numbered(&root, 8));
        assert_eq!(folder.error(), None);
        let newer = folder.bundle.lists();
        folder.put("root.crl", &numbered(&root, 7));
        assert_eq!(folder.error(), Some(BundleError::Older));
        assert!(Arc::ptr_eq(&newer[0], &folder.bundle.lists()[0]));
        folder.put("root.crl", &numbered(&root, 9));
        assert_eq!(folder.error(), None);
        assert!(!Arc::ptr_eq(&newer[0], &folder.bundle.lists()[0]));
    }

    #[test]
    fn a_file_that_everybody_may_write_is_not_believed() {
        let (folder, root) = (Folder::new(), Authority::root("Root"));
        folder.put("root.crl", &root.crl());
        let path = folder.folder.path().join("root.crl");
        fs::set_permissions(path, fs::Permissions::from_mode(0o646)).unwrap();
        assert_eq!(folder.error(), Some(BundleError::Writable { mode: 0o646 }));
        assert_eq!(folder.issuers(), [""; 0]);
    }

    #[test]
    fn a_directory_that_everybody_may_write_to_gives_nothing_new_and_says_why() {
        let (folder, root) = (Folder::new(), Authority::root("Root"));
        folder.put("root.crl", &root.crl());
        folder.bundle.look();
        for mode in [0o777, 0o1777] {
            fs::set_permissions(folder.folder.path(), fs::Permissions::from_mode(mode)).unwrap();
            folder.put("other.crl", &Authority::root("Other").crl());
            let error = folder.error().unwrap();
            assert_eq!(error, BundleError::WritableDirectory { mode });
            assert!(error.to_string().contains("chmod o-w"), "{error}");
            assert_eq!(folder.issuers(), ["CN=Root,O=Corp"], "what was in use stays");
        }
        fs::set_permissions(folder.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(folder.bundle.look().len(), 2, "the directory is good again, and has a new file");
        assert_eq!(folder.issuers().len(), 2);
    }

    #[test]
    fn a_pipe_in_the_place_of_a_file_is_neither_waited_for_nor_read() {
        let folder = Folder::new();
        let path = folder.folder.path().join("root.crl");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        // As if it had been put there between the look at the directory and the opening of the file.
        assert_eq!(read(&path).err(), Some(BundleError::NotAFile));
        assert_eq!(folder.bundle.look(), [], "in the directory it is passed over");
    }

    #[test]
    fn a_directory_that_is_not_there_is_told_once_and_its_lists_stay() {
        let (folder, root) = (Folder::new(), Authority::root("Root"));
        folder.put("root.crl", &root.crl());
        folder.bundle.look();
        let away = folder.folder.path().with_extension("away");
        fs::rename(folder.folder.path(), &away).unwrap();
        assert_eq!(folder.error(), Some(BundleError::Read(io::ErrorKind::NotFound)));
        assert_eq!(folder.bundle.look(), []);
        assert_eq!(folder.issuers().len(), 1);
        fs::rename(&away, folder.folder.path()).unwrap();
        assert_eq!(folder.error(), None);
    }

    #[test]
    fn the_lists_of_a_cms_message_are_used() {
        let (folder, root) = (Folder::new(), Authority::root("Root"));
        let fields = [vec![2, 1, 1, 0x31, 0, 0x30, 0], tlv(0xa1, &root.crl()), vec![0x31, 0]].concat();
        let signed_data = tlv(6, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2]);
        folder.put("all.p7b", &tlv(0x30, &[signed_data, tlv(0xa0, &tlv(0x30, &fields))].concat()));
        assert_eq!(folder.error(), None);
        assert_eq!(folder.issuers(), ["CN=Root,O=Corp"]);
    }
}
