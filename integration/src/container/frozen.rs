//! Images of containers that did something together, which no build can do: cached like built ones.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use super::image::{exists, lock, prune};
use super::{Container, ContainerError, Engine, Image, Network};

/// A directory writes what it has in memory before it ends.
const STOP_LIMIT: &str = "30";

/// An image is written to the disk; a loaded one is slow.
const COMMIT_LIMIT: Duration = Duration::from_secs(300);

/// What takes the place of the run's labels, which an image inherits from its container: no run owns it.
const NO_RUN: [&str; 2] = ["LABEL kerbridge.run=frozen", "LABEL kerbridge.owner=frozen"];

/// The images `kerbridge-NAME` of containers that `make` starts on a network of their own and brings into the state wanted, in the
/// order of the names; they are stopped, kept as images and removed. The same `content` has the same images, so that they are
/// made once.
///
/// # Errors
/// Those of `make`, and where the engine cannot stop a container or write its image.
pub fn frozen<const N: usize, E: From<ContainerError>>(
    names: [&str; N],
    content: &impl Hash,
    make: impl FnOnce(&Network) -> Result<[Container; N], E>,
) -> Result<[Image; N], E> {
    let engine = Engine::get()?;
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    let digest = hasher.finish();
    let images = names.map(|name| Image::of(format!("localhost/kerbridge-{name}:{digest:016x}")));
    // Two runs at once make them once.
    let _lock = lock(&names.join("-"))?;
    let mut missing = false;
    for image in &images {
        missing |= !exists(engine, image.reference())?;
    }
    if missing {
        // Outlives the containers.
        let network = Network::create("freezing")?;
        let containers = make(&network)?;
        for ((container, name), image) in containers.iter().zip(names).zip(&images) {
            commit(engine, container, name, image)?;
        }
    }
    Ok(images)
}

fn commit(engine: &Engine, container: &Container, name: &str, image: &Image) -> Result<(), ContainerError> {
    engine.run(&["stop", "--time", STOP_LIMIT, container.name()])?;
    let kind = format!("LABEL kerbridge.image={name}");
    let changes = [NO_RUN.as_slice(), &[kind.as_str()]].concat();
    let changes = changes.iter().flat_map(|&change| ["--change", change]);
    let command: Vec<&str> =
        ["commit"].into_iter().chain(changes).chain([container.name(), image.reference()]).collect();
    engine.run_within(&command, COMMIT_LIMIT)?;
    prune(engine, name)
}
