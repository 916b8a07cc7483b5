//! Images, built from this repository's Containerfiles and cached at the engine by their content.

use std::collections::hash_map::DefaultHasher;
use std::fs::File;
use std::hash::{Hash, Hasher};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{ContainerError, Engine};

/// The image of Debian 13 that `integration/setup` makes where no registry answers.
const LOCAL_BASE: &str = "localhost/kerbridge-base:trixie";

/// A build downloads packages; on a slow line that takes its time.
const BUILD_LIMIT: Duration = Duration::from_secs(1200);

/// Images of an earlier content, unused for this long, are removed when a new one is built.
const SUPERSEDED: &str = "until=336h";

/// An image that is there.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Image {
    reference: String,
}

/// What an image is made of. The same content has the same tag, so that it is built once.
#[derive(Clone, Debug)]
pub struct ImageSource {
    name: String,
    context: PathBuf,
    arguments: Vec<(String, String)>,
    generated: Vec<(String, Vec<u8>)>,
}

impl Image {
    /// The image of a reference.
    pub(super) fn of(reference: String) -> Self {
        Self { reference }
    }

    /// The name the engine knows it by.
    #[must_use]
    pub fn reference(&self) -> &str {
        &self.reference
    }
}

impl ImageSource {
    /// The folder `integration/images/NAME` with its `Containerfile`.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let context = Path::new(env!("CARGO_MANIFEST_DIR")).join("images").join(name);
        Self { name: name.to_owned(), context, arguments: Vec::new(), generated: Vec::new() }
    }

    /// Adds a build argument.
    #[must_use]
    pub fn argument(mut self, key: &str, value: &str) -> Self {
        self.arguments.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Builds on another image: sets the build argument `BASE`.
    #[must_use]
    pub fn on(self, base: &Image) -> Self {
        self.argument("BASE", base.reference())
    }

    /// Adds a file to the build's context.
    #[must_use]
    pub fn file(mut self, name: &str, octets: impl Into<Vec<u8>>) -> Self {
        self.generated.push((name.to_owned(), octets.into()));
        self
    }

    /// The image of this content: the one the engine has, or a new one. Without a `BASE` of its own it builds on
    /// Debian 13, from a registry or, where `integration/setup` found none, on the local one.
    ///
    /// # Errors
    /// Where the build fails.
    pub fn build(&self) -> Result<Image, ContainerError> {
        let engine = Engine::get()?;
        let mut source = self.clone();
        if !source.arguments.iter().any(|(key, _)| key == "BASE") && exists(engine, LOCAL_BASE)? {
            source = source.argument("BASE", LOCAL_BASE);
        }
        let context = source.lay_out()?;
        let reference =
            format!("localhost/kerbridge-{}:{:016x}", source.name, source.digest(context.path())?);
        // Two runs at once build an image once.
        let _lock = lock(&source.name)?;
        if !exists(engine, &reference)? {
            source.build_as(engine, &reference, context.path())?;
        }
        Ok(Image { reference })
    }

    fn build_as(&self, engine: &Engine, reference: &str, context: &Path) -> Result<(), ContainerError> {
        let containerfile = context.join("Containerfile").display().to_string();
        let mut arguments: Vec<String> =
            ["build", "--network=host", "--tag", reference, "--file", &containerfile]
                .map(str::to_owned)
                .into();
        arguments.extend(["--label".to_owned(), format!("kerbridge.image={}", self.name)]);
        arguments.extend(engine.limits().iter().map(|&option| option.to_owned()));
        for (key, value) in &self.arguments {
            arguments.extend(["--build-arg".to_owned(), format!("{key}={value}")]);
        }
        arguments.push(context.display().to_string());
        engine.run_within(&arguments, BUILD_LIMIT)?;
        prune(engine, &self.name)
    }

    /// The build's context in a folder of its own.
    fn lay_out(&self) -> Result<tempfile::TempDir, ContainerError> {
        let folder = tempfile::tempdir().map_err(at(&std::env::temp_dir()))?;
        for path in files(&self.context)? {
            let relative = path.strip_prefix(&self.context).unwrap_or(&path);
            let target = folder.path().join(relative);
            let parent = target.parent().unwrap_or(&target);
            std::fs::create_dir_all(parent).map_err(at(parent))?;
            std::fs::copy(&path, &target).map_err(at(&path))?;
        }
        for (name, octets) in &self.generated {
            let target = folder.path().join(name);
            std::fs::write(&target, octets).map_err(at(&target))?;
        }
        Ok(folder)
    }

    /// A number for the content: names, modes and octets of all files, and the arguments. It need only tell what is
    /// built here apart; a new compiler's other number costs a build.
    #[expect(clippy::disallowed_methods, reason = "the harness blocks")]
    fn digest(&self, context: &Path) -> Result<u64, ContainerError> {
        let mut hasher = DefaultHasher::new();
        self.arguments.hash(&mut hasher);
        for path in files(context)? {
            let executable = std::fs::metadata(&path).map_err(at(&path))?.permissions().mode() & 0o111 != 0;
            let octets = std::fs::read(&path).map_err(at(&path))?;
            (path.strip_prefix(context).unwrap_or(&path), executable, octets).hash(&mut hasher);
        }
        Ok(hasher.finish())
    }
}

/// Removes what an image of this name took the place of. It is kept for a while, for work on another branch; should this fail,
/// disk space is lost.
pub(super) fn prune(engine: &Engine, name: &str) -> Result<(), ContainerError> {
    let name = format!("label=kerbridge.image={name}");
    let old = ["image", "prune", "--all", "--force", "--filter", &name, "--filter", SUPERSEDED];
    engine.attempt(&old, b"", BUILD_LIMIT).map(drop)
}

pub(super) fn exists(engine: &Engine, reference: &str) -> Result<bool, ContainerError> {
    Ok(engine.attempt(&["image", "inspect", reference], b"", Duration::from_secs(30))?.succeeded())
}

/// All files below a folder, in order.
fn files(folder: &Path) -> Result<Vec<PathBuf>, ContainerError> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(at(folder))? {
        let path = entry.map_err(at(folder))?.path();
        if path.is_dir() { found.extend(files(&path)?) } else { found.push(path) }
    }
    found.sort_unstable();
    Ok(found)
}

pub(super) fn lock(name: &str) -> Result<File, ContainerError> {
    let path = std::env::temp_dir().join(format!("kerbridge-image-{name}.lock"));
    let file = File::create(&path).map_err(at(&path))?;
    file.lock().map_err(at(&path))?;
    Ok(file)
}

fn at(path: &Path) -> impl FnOnce(std::io::Error) -> ContainerError {
    let path = path.display().to_string();
    |source| ContainerError::File { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(source: &ImageSource) -> u64 {
        source.digest(source.lay_out().unwrap().path()).unwrap()
    }

    #[test]
    fn the_same_content_has_the_same_tag_and_another_has_another() {
        let source = ImageSource::named("samba-ad");
        assert_eq!(digest(&source), digest(&source));
        assert_ne!(digest(&source), digest(&source.clone().argument("SUITE", "other")));
        assert_ne!(digest(&source), digest(&source.clone().file("extra", "content")));
    }
}
