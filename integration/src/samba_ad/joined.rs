//! Domain controllers that know each other: two of one domain, or of two forests that trust each other.

use super::controller::Placement;
use super::{Domain, DomainController, DomainError, Release};
use crate::container::{Image, Network, frozen};
use crate::pki::Pki;
use crate::wait;

/// The host numbers of a domain's controllers.
const PAIR: [u8; 2] = [10, 11];

/// The host numbers of the controllers of two forests.
const FORESTS: [u8; 2] = [10, 20];

impl Domain {
    /// Starts its controllers `dc1` and `dc2` at the network's addresses 10 and 11, each with a certificate of the machines'
    /// authority. Each takes over the other's changes.
    ///
    /// # Errors
    /// [`DomainError`].
    pub fn start_pair(self, network: &Network, pki: &Pki) -> Result<[DomainController; 2], DomainError> {
        let [first_image, second_image] = self.pair_images()?;
        let [first, second] = Placement::pair(PAIR.map(|host| network.address(host)));
        let first = first.launch(self.clone(), &first_image, network, pki)?;
        let second = second.launch(self, &second_image, network, pki)?;
        Ok([first.ready()?, second.ready()?])
    }

    /// Starts the controller `dc1` of this forest and that of another one at the network's addresses 10 and 20, each with a
    /// certificate of the machines' authority. The forests trust each other, and each knows the names of the other.
    ///
    /// # Errors
    /// [`DomainError`].
    pub fn start_with_forest(
        self,
        other: Self,
        network: &Network,
        pki: &Pki,
    ) -> Result<[DomainController; 2], DomainError> {
        let [own_image, other_image] = self.forest_images(&other)?;
        let [own, others] = forest_placements(network);
        let own = own.launch(self, &own_image, network, pki)?;
        let others = others.launch(other, &other_image, network, pki)?;
        Ok([own.ready()?, others.ready()?])
    }

    fn pair_images(&self) -> Result<[Image; 2], DomainError> {
        let image = self.image(Release::default())?;
        frozen::frozen(["domain-dc1", "domain-dc2"], &image, |network| {
            let pki = Pki::new(wait::now())?;
            let [first, second] = Placement::pair(PAIR.map(|host| network.address(host)));
            let first = first.start(self.clone(), &image, network, &pki)?;
            let second = second.joining(first.address()).start(self.clone(), &image, network, &pki)?;
            let address = first.address().to_string();
            let settle = ["/usr/local/lib/lab/settle", first.name(), second.name(), &address];
            second.container().run(&settle)?;
            Ok([first.into_container(), second.into_container()])
        })
    }

    fn forest_images(&self, other: &Self) -> Result<[Image; 2], DomainError> {
        let images = (self.image(Release::default())?, other.image(Release::default())?);
        frozen::frozen(["forest-own", "forest-other"], &images, |network| {
            let pki = Pki::new(wait::now())?;
            let [own, others] = forest_placements(network);
            let own = own.launch(self.clone(), &images.0, network, &pki)?;
            let others = others.start(other.clone(), &images.1, network, &pki)?;
            let own = own.ready()?;
            own.container().run(&["/usr/local/lib/lab/trust", &other.dns_name()])?;
            Ok([own.into_container(), others.into_container()])
        })
    }
}

/// Each alone in its domain, and asking the other for that one's names.
fn forest_placements(network: &Network) -> [Placement; 2] {
    let [own, other] = FORESTS.map(|host| network.address(host));
    [Placement::alone(own).forwarding_to(other), Placement::alone(other).forwarding_to(own)]
}
