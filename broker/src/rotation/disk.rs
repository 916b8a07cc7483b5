//! Files that must survive a crash at any moment: written beside their place, made durable, and renamed into it.
//!
//! Does file I/O, and blocks.

use std::{
    ffi::OsString,
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, OFlags, flock};

/// What a pending secret's file is called: the secret's own name and this.
pub const PENDING_SUFFIX: &str = ".pending";
const LOCK_SUFFIX: &str = ".lock";
const NEW_SUFFIX: &str = ".new";

/// A file could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{action} {path}")]
pub struct DiskError {
    action: &'static str,
    path: String,
    #[source]
    source: io::Error,
}

impl DiskError {
    fn at<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + use<'a> {
        move |source| Self { action, path: path.display().to_string(), source }
    }
}

/// The path whose file name has `suffix` after it.
#[must_use]
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// The right to rotate the secret at a path, for as long as it lives. The system takes it back when the process ends.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Lock {
    /// Takes the right; `None` when another process has it, by whichever name it calls the secret. The lock's file belongs to
    /// the owner of the secret, whoever makes it: root, once, must not lock the service out.
    ///
    /// # Errors
    /// The lock's file cannot be made.
    pub fn take(secret: &Path) -> Result<Option<Self>, DiskError> {
        // A secret that is not there is an error, but not of the lock.
        let secret = fs::canonicalize(secret).unwrap_or_else(|_| secret.to_owned());
        let path = beside(&secret, LOCK_SUFFIX);
        let failed = || DiskError::at("cannot make the lock", &path);
        // Root gives this file away, in a folder that may be another's: it must be no other file by a link.
        let no_link = OFlags::NOFOLLOW.bits().cast_signed();
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600).custom_flags(no_link);
        let file = options.open(&path).map_err(failed())?;
        let own = file.metadata().map_err(failed())?;
        if let Ok(like) = fs::metadata(&secret)
            && own.is_file()
            && own.nlink() == 1
        {
            give_to_owner_of(&file, &like).map_err(failed())?;
        }
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self { file })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(failed()(error.into())),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough: a process that is just being started may still have the descriptor. That it fails changes nothing.
        let _: Result<(), rustix::io::Errno> = flock(&self.file, FlockOperation::Unlock);
    }
}

/// Where a link leads, so that a renamed file takes the place of what it points at and not of itself.
pub(super) fn resolved(path: &Path) -> Result<PathBuf, DiskError> {
    fs::canonicalize(path).map_err(DiskError::at("cannot find", path))
}

/// Puts `octets` at `path`, whole and durable, or leaves what is there. The file belongs to the owner of `like` and is as
/// private as it, whose group and others may never write; a new one without a model is the owner's alone.
pub(super) fn write(path: &Path, octets: &[u8], like: Option<&Metadata>) -> Result<(), DiskError> {
    let new = beside(path, NEW_SUFFIX);
    // What a crash left of an earlier attempt.
    remove_if_there(&new)?;
    let written = write_new(&new, octets, like)
        .and_then(|()| fs::rename(&new, path).map_err(DiskError::at("cannot rename into its place", path)));
    if written.is_err() {
        // The first error is the one to tell.
        drop(fs::remove_file(&new));
    }
    written?;
    sync_directory(path)
}

/// Whether a file could be put at `path`, tried out as far as possible without touching what is there.
pub(super) fn try_out(path: &Path) -> Result<(), DiskError> {
    let new = beside(path, NEW_SUFFIX);
    remove_if_there(&new)?;
    write_new(&new, b"", Some(&facts(path)?))?;
    remove_if_there(&new)
}

/// Owner and permissions.
pub(super) fn facts(path: &Path) -> Result<Metadata, DiskError> {
    fs::metadata(path).map_err(DiskError::at("cannot look at", path))
}

/// Removes a file for good; that it is not there is no error.
pub(super) fn remove(path: &Path) -> Result<(), DiskError> {
    remove_if_there(path)?;
    sync_directory(path)
}

fn write_new(new: &Path, octets: &[u8], like: Option<&Metadata>) -> Result<(), DiskError> {
    let failed = || DiskError::at("cannot write", new);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(new).map_err(failed())?;
    if let Some(like) = like {
        give_to_owner_of(&file, like).map_err(failed())?;
        // The owner writes; the group reads where it did so far.
        let mode = (like.mode() & 0o640) | 0o600;
        file.set_permissions(fs::Permissions::from_mode(mode)).map_err(failed())?;
    }
    file.write_all(octets).map_err(failed())?;
    file.sync_all().map_err(failed())
}

fn give_to_owner_of(file: &File, like: &Metadata) -> io::Result<()> {
    let own = file.metadata()?;
    if (own.uid(), own.gid()) == (like.uid(), like.gid()) {
        return Ok(());
    }
    fchown(file, Some(like.uid()), Some(like.gid()))
}

fn remove_if_there(path: &Path) -> Result<(), DiskError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(DiskError::at("cannot remove", path)(error))
        }
        _ => Ok(()),
    }
}

/// Makes the names in a file's directory durable.
fn sync_directory(path: &Path) -> Result<(), DiskError> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let failed = DiskError::at("cannot make durable what lies in", directory);
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test reads files")]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn a_new_file_is_its_owner_s_alone_and_a_replaced_one_stays_as_private_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        write(&path, b"one", None).unwrap();
        assert_eq!((fs::read(&path).unwrap().as_slice(), mode(&path)), (b"one".as_slice(), 0o600));
        for (before, after) in [(0o400, 0o600), (0o440, 0o640), (0o666, 0o640)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(before)).unwrap();
            write(&path, b"two", Some(&facts(&path).unwrap())).unwrap();
            assert_eq!((fs::read(&path).unwrap().as_slice(), mode(&path)), (b"two".as_slice(), after));
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn the_remains_of_a_crash_do_not_stand_in_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, b"old").unwrap();
        fs::write(beside(&path, NEW_SUFFIX), b"half").unwrap();
        try_out(&path).unwrap();
        fs::write(beside(&path, NEW_SUFFIX), b"half").unwrap();
        write(&path, b"new", None).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_cannot_be_written_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("missing").join("secret");
        let error = write(&path, b"x", None).unwrap_err();
        assert!(error.to_string().starts_with("cannot write"), "{error}");
        // A directory where the file should be: nothing is renamed over it, and nothing is left beside it.
        let taken = folder.path().join("taken");
        fs::create_dir(&taken).unwrap();
        assert!(write(&taken, b"x", None).is_err());
        assert!(!beside(&taken, NEW_SUFFIX).exists());
    }

    #[test]
    fn a_removed_file_is_gone_and_an_absent_one_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        write(&path, b"one", None).unwrap();
        remove(&path).unwrap();
        remove(&path).unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn one_rotation_at_a_time_has_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let lock = Lock::take(&path).unwrap().unwrap();
        assert!(Lock::take(&path).unwrap().is_none());
        drop(lock);
        assert!(Lock::take(&path).unwrap().is_some());
    }

    #[test]
    fn two_names_of_one_secret_have_one_lock() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, b"old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let lock = Lock::take(&file).unwrap().unwrap();
        assert!(Lock::take(&link).unwrap().is_none());
        drop(lock);
        assert!(Lock::take(&link).unwrap().is_some());
    }

    #[test]
    fn the_lock_is_the_secret_owner_s_whoever_took_it_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, b"old").unwrap();
        // Only root can give a file away, and only root could take a lock that the owner cannot open.
        if std::os::unix::fs::chown(&path, Some(12_345), Some(12_345)).is_err() {
            return;
        }
        drop(Lock::take(&path).unwrap());
        let lock = facts(&beside(&path, LOCK_SUFFIX)).unwrap();
        assert_eq!((lock.uid(), lock.gid(), lock.mode() & 0o777), (12_345, 12_345, 0o600));
    }

    #[test]
    fn a_lock_that_is_another_file_is_not_given_away() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("secret"), folder.path().join("other"));
        fs::write(&path, b"old").unwrap();
        fs::write(&other, b"other").unwrap();
        let owner = facts(&other).unwrap().uid();
        // Without root's rights nothing is given away at all.
        drop(std::os::unix::fs::chown(&path, Some(12_345), Some(12_345)));
        let lock = beside(&path, LOCK_SUFFIX);
        std::os::unix::fs::symlink(&other, &lock).unwrap();
        Lock::take(&path).unwrap_err();
        fs::remove_file(&lock).unwrap();
        fs::hard_link(&other, &lock).unwrap();
        drop(Lock::take(&path).unwrap());
        assert_eq!(facts(&other).unwrap().uid(), owner);
    }

    #[test]
    fn a_link_is_followed_to_the_file_it_names() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, b"old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write(&resolved(&link).unwrap(), b"new", None).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }
}
