//! A real Samba AD domain controller: its domain is described in the test, provisioned once, frozen as an image by the hash
//! of the description, and started from there within two seconds. Two controllers of one domain, and two forests that trust
//! each other, are made once, while both run, and frozen in the same way.

mod controller;
mod domain;
mod joined;

use std::net::Ipv4Addr;

pub use controller::DomainController;
pub use domain::Domain;

use crate::container::{ContainerError, Image, ImageSource, Network};
use crate::pki::{Pki, PkiError};
use controller::Placement;

/// The domain could not be made or started.
#[derive(Debug, thiserror::Error)]
pub enum DomainError {
    /// The engine or a container failed.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// Its certificate could not be made.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The image's own account of its contents cannot be read.
    #[error("the frozen domain's facts cannot be read")]
    Facts(#[source] serde_json::Error),
    /// There is no such account in the description.
    #[error("the domain has no account {name}")]
    NoAccount {
        /// The name asked for.
        name: String,
    },
}

/// Which Samba: the suite of Debian its packages come from.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Release {
    /// Debian 13's own (4.22).
    #[default]
    Stable,
    /// The one of its backports (4.24 or later).
    Backports,
}

impl Release {
    /// The image of a domain controller without a domain.
    ///
    /// # Errors
    /// Where it cannot be built.
    pub fn image(self) -> Result<Image, ContainerError> {
        let source = ImageSource::named("samba-ad");
        match self {
            Self::Stable => source.build(),
            Self::Backports => source.argument("SUITE", "trixie-backports").build(),
        }
    }
}

/// What is peculiar to one of several controllers of the same domain.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What `smb.conf` says in its global section beside what it always says, `name = value` each.
    pub global: Vec<&'static str>,
    /// Files that are there before it starts, by their paths.
    pub files: Vec<(&'static str, String)>,
}

impl Domain {
    /// The frozen image of this domain.
    ///
    /// # Errors
    /// Where it cannot be provisioned; the error has the last lines of what the tools said.
    pub fn image(&self, release: Release) -> Result<Image, ContainerError> {
        ImageSource::named("domain").on(&release.image()?).file("domain.json", self.to_json()).build()
    }

    /// Starts its domain controller `dc1` at the network's address 10, with a certificate of the machines' authority.
    ///
    /// # Errors
    /// [`DomainError`].
    pub fn start(self, network: &Network, pki: &Pki) -> Result<DomainController, DomainError> {
        let image = self.image(Release::default())?;
        self.start_from(&image, network, network.address(10), pki)
    }

    /// Starts a domain controller from a frozen image of this domain, at an address.
    ///
    /// # Errors
    /// [`DomainError`].
    pub fn start_from(
        self,
        image: &Image,
        network: &Network,
        address: Ipv4Addr,
        pki: &Pki,
    ) -> Result<DomainController, DomainError> {
        Placement::alone(address).start(self, image, network, pki)
    }

    /// Starts controllers of this domain side by side from one frozen image, one for each of the options, at the network's
    /// addresses 10, 11 and so on. All are `dc1`, and know nothing of each other.
    ///
    /// # Errors
    /// [`DomainError`].
    pub fn start_each(
        &self,
        image: &Image,
        network: &Network,
        pki: &Pki,
        options: &[Options],
    ) -> Result<Vec<DomainController>, DomainError> {
        let launched: Vec<_> = (10..)
            .zip(options)
            .map(|(host, options)| {
                let placement = Placement::alone(network.address(host)).with(options);
                placement.launch(self.clone(), image, network, pki)
            })
            .collect::<Result<_, _>>()?;
        launched.into_iter().map(DomainController::ready).collect()
    }
}
