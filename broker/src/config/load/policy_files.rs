//! The files of policies. This file reads files and directories, at start and on reload only.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

use super::Loader;
use crate::{
    config::{document::Located, problem::FileFault},
    policy::{MAXIMUM_FILE, PolicyFile},
};

/// Most files of policies.
const MAXIMUM_FILES: usize = 256;

impl Loader<'_> {
    /// Reads every file that is named, and every `.cedar` file of every directory. What cannot be read is noted.
    pub(super) fn policy_files(&self, named: &[Located<PathBuf>]) -> Option<Vec<PolicyFile>> {
        let read = named.iter().map(|named| {
            let paths = self.problems.keep(&named.place, listed(&self.places.base.join(&named.value)))?;
            let files = paths.into_iter().map(|path| {
                let limit = u64::try_from(MAXIMUM_FILE).unwrap_or(u64::MAX);
                let text = self.problems.keep(&named.place, self.places.text(&path, limit))?;
                Some(PolicyFile { name: path.display().to_string(), text })
            });
            // Every file is read, so that every broken one is noted.
            let files: Vec<_> = files.collect();
            files.into_iter().collect::<Option<Vec<_>>>()
        });
        let read: Vec<_> = read.collect();
        Some(read.into_iter().collect::<Option<Vec<_>>>()?.concat())
    }
}

/// The files that a path means: itself, or where it is a directory or ends in `*.cedar`, the policies in it by their names.
fn listed(path: &Path) -> Result<Vec<PathBuf>, FileFault> {
    let is_pattern = path.file_name() == Some(OsStr::new("*.cedar"));
    let directory = if is_pattern { path.parent().unwrap_or(path) } else { path };
    if !is_pattern && !directory.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let fault = |error: io::Error| FileFault::Read(error.kind());
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).map_err(fault)? {
        let path = entry.map_err(fault)?.path();
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if path.extension() == Some(OsStr::new("cedar")) && !is_hidden {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        return Err(FileFault::Empty);
    }
    if paths.len() > MAXIMUM_FILES {
        return Err(FileFault::TooLarge { limit: u64::try_from(MAXIMUM_FILES).unwrap_or(u64::MAX) });
    }
    paths.sort();
    Ok(paths)
}
