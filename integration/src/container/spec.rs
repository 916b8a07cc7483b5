//! What a container is started with.

use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{Container, ContainerError, Engine, Image, Network, Run};

/// A container to be; [`ContainerSpec::start`] makes it.
#[derive(Clone, Debug)]
pub struct ContainerSpec {
    image: Image,
    name: String,
    network: String,
    address: Ipv4Addr,
    options: Vec<String>,
    files: Vec<(String, Vec<u8>, u32)>,
    command: Vec<String>,
}

impl ContainerSpec {
    /// A container of an image at a fixed address; `name` says what it is; others may have the same.
    #[must_use]
    pub fn new(name: &str, image: &Image, network: &Network, address: Ipv4Addr) -> Self {
        Self {
            image: image.clone(),
            name: name.to_owned(),
            network: network.name().to_owned(),
            address,
            options: Vec::new(),
            files: Vec::new(),
            command: Vec::new(),
        }
    }

    /// Sets its host name.
    #[must_use]
    pub fn hostname(self, name: &str) -> Self {
        self.option(&["--hostname", name])
    }

    /// Adds a name to its hosts file.
    #[must_use]
    pub fn host(self, name: &str, address: Ipv4Addr) -> Self {
        self.option(&["--add-host", &format!("{name}:{address}")])
    }

    /// Sets its DNS server.
    #[must_use]
    pub fn dns(self, server: Ipv4Addr) -> Self {
        self.option(&["--dns", &server.to_string()])
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn environment(self, key: &str, value: &str) -> Self {
        self.option(&["--env", &format!("{key}={value}")])
    }

    /// Gives it these capabilities and no others.
    #[must_use]
    pub fn only_capabilities(self, capabilities: &[&str]) -> Self {
        let dropped = self.option(&["--cap-drop", "ALL"]);
        capabilities.iter().fold(dropped, |spec, capability| spec.option(&["--cap-add", capability]))
    }

    /// Adds an option of the engine's `create`, one both engines know.
    #[must_use]
    pub fn option(mut self, words: &[&str]) -> Self {
        self.options.extend(words.iter().map(|&word| word.to_owned()));
        self
    }

    /// Puts a file of root's into it before it starts, at an absolute path, with its mode.
    #[must_use]
    pub fn file(mut self, path: &str, octets: impl Into<Vec<u8>>, mode: u32) -> Self {
        self.files.push((path.to_owned(), octets.into(), mode));
        self
    }

    /// The command to run in place of the image's own.
    #[must_use]
    pub fn command(mut self, words: &[&str]) -> Self {
        self.command = words.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// Makes and starts it.
    ///
    /// # Errors
    /// Where the engine cannot.
    pub fn start(self) -> Result<Container, ContainerError> {
        let (engine, run) = (Engine::get()?, Run::current()?);
        // Unique in this run: two tests may each want a host of the same name, but not at the same address.
        let [first, second, third, host] = self.address.octets();
        let name = format!("{}-{}-{host}", self.network, self.name);
        let mut arguments: Vec<String> =
            ["create", "--name", &name, "--network", &self.network, "--ip", &self.address.to_string()]
                .map(str::to_owned)
                .into();
        // The same one after every start: a new one is not heard of by those who spoke with the old one for up to half a minute.
        let link = format!("02:42:{first:02x}:{second:02x}:{third:02x}:{host:02x}");
        arguments.extend(["--mac-address".to_owned(), link]);
        // Removal and stopping need not wait for a process that takes no notice.
        arguments.extend(["--stop-timeout".to_owned(), "1".to_owned()]);
        arguments.extend(run.labels());
        arguments.extend(engine.limits().iter().map(|&option| option.to_owned()));
        arguments.extend(self.options);
        arguments.push(self.image.reference().to_owned());
        arguments.extend(self.command);
        engine.run(&arguments)?;
        // From here on dropping it removes it.
        let container = Container { engine, name, address: self.address };
        if !self.files.is_empty() {
            let folder = lay_out(&self.files)?;
            container.copy_in(folder.path(), "/")?;
        }
        container.start()?;
        Ok(container)
    }
}

fn lay_out(files: &[(String, Vec<u8>, u32)]) -> Result<tempfile::TempDir, ContainerError> {
    let failed = |path: &Path| {
        let path = path.display().to_string();
        |source| ContainerError::File { path, source }
    };
    let folder = tempfile::tempdir().map_err(failed(&std::env::temp_dir()))?;
    for (path, octets, mode) in files {
        let target = folder.path().join(path.trim_start_matches('/'));
        let parent = target.parent().unwrap_or(&target);
        std::fs::create_dir_all(parent).map_err(failed(parent))?;
        std::fs::write(&target, octets).map_err(failed(&target))?;
        std::fs::set_permissions(&target, std::fs::Permissions::from_mode(*mode)).map_err(failed(&target))?;
    }
    Ok(folder)
}
