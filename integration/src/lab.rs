//! The lab most tests use: one domain controller, one network, one PKI, made once in a process and shared.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::broker_process::BROKER_NAME;
use crate::container::{ContainerSpec, ImageSource, Network};
use crate::pki::Pki;
use crate::samba_ad::{Domain, DomainController, DomainError};
use crate::{container::Container, wait};

/// A domain with its network and PKI; everything is removed on drop.
#[derive(Debug)]
pub struct Lab {
    // Containers before their network: fields are dropped in order.
    controller: DomainController,
    second: Option<DomainController>,
    network: Network,
    pki: Pki,
}

/// Two forests, `corp.example` and `beta.example`, that trust each other; everything is removed on drop.
#[derive(Debug)]
pub struct Forests {
    // Before the lab, whose network it is on.
    other: DomainController,
    lab: Lab,
}

impl Lab {
    /// A lab of one's own with the tests' domain, for a test that disturbs it.
    ///
    /// # Errors
    /// [`DomainError`].
    pub fn start(name: &str) -> Result<Self, DomainError> {
        Self::with_domain(name, Domain::of_the_tests())
    }

    /// A lab of one's own with another domain.
    ///
    /// # Errors
    /// [`DomainError`].
    pub fn with_domain(name: &str, domain: Domain) -> Result<Self, DomainError> {
        let network = Network::create(name)?;
        let pki = Pki::new(wait::now())?;
        let controller = domain.start(&network, &pki)?;
        Ok(Self { controller, second: None, network, pki })
    }

    /// A lab of one's own with the tests' domain on two controllers, `dc1` and `dc2`: each holds all of the directory, takes over the
    /// other's changes within some seconds, and is named by both in DNS.
    ///
    /// # Errors
    /// [`DomainError`].
    pub fn with_two_controllers(name: &str) -> Result<Self, DomainError> {
        Self::with_domain_on_two_controllers(name, Domain::of_the_tests())
    }

    /// Like [`Lab::with_two_controllers`], with another domain.
    ///
    /// # Errors
    /// [`DomainError`].
    pub fn with_domain_on_two_controllers(name: &str, domain: Domain) -> Result<Self, DomainError> {
        let network = Network::create(name)?;
        let pki = Pki::new(wait::now())?;
        let [controller, second] = domain.start_pair(&network, &pki)?;
        Ok(Self { controller, second: Some(second), network, pki })
    }

    /// The lab that the tests of this process share; they only read. It lives while someone uses it.
    ///
    /// # Errors
    /// [`DomainError`].
    pub fn shared() -> Result<Arc<Self>, DomainError> {
        static SHARED: Mutex<Weak<Lab>> = Mutex::new(Weak::new());
        // A test that panicked here left a dead lab at worst, and a new one is made.
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lab) = shared.upgrade() {
            return Ok(lab);
        }
        let lab = Arc::new(Self::start("shared")?);
        *shared = Arc::downgrade(&lab);
        Ok(lab)
    }

    /// The domain controller, the first where there are two.
    #[must_use]
    pub fn controller(&self) -> &DomainController {
        &self.controller
    }

    /// All controllers of the domain.
    #[must_use]
    pub fn controllers(&self) -> Vec<&DomainController> {
        [&self.controller].into_iter().chain(&self.second).collect()
    }

    /// The network that all of the lab's containers are on.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The authorities.
    #[must_use]
    pub fn pki(&self) -> &Pki {
        &self.pki
    }

    /// A container of the independent judges (MIT's tools, OpenLDAP's, curl, a token), set up for the domain.
    ///
    /// # Errors
    /// Where it cannot be built or started.
    pub fn client(&self, name: &str) -> Result<Container, DomainError> {
        self.client_with(name, &[])
    }

    /// The same, which also knows the controllers of other domains.
    fn client_with(&self, name: &str, others: &[&DomainController]) -> Result<Container, DomainError> {
        let image = ImageSource::named("client").build()?;
        let spec = ContainerSpec::new(name, &image, &self.network, self.network.next_address())
            .hostname(&format!("{name}.corp.example"));
        let container = self
            .controllers()
            .iter()
            .chain(others)
            .fold(spec, |spec, controller| spec.host(controller.name(), controller.address()))
            .host(BROKER_NAME, self.network.host_address())
            .file("/etc/krb5.conf", self.controller.krb5_conf_with(others), 0o644)
            .file("/etc/ssl/lab/machine-ca.pem", self.pki.machine_root_pem(), 0o644)
            .start()?;
        Ok(container)
    }
}

impl Forests {
    /// Starts both forests, with [`Domain::of_the_tests`] and [`Domain::of_the_other_forest`] in them. They trust each other, and each
    /// controller's DNS knows the names of both.
    ///
    /// # Errors
    /// [`DomainError`].
    pub fn start(name: &str) -> Result<Self, DomainError> {
        let network = Network::create(name)?;
        let pki = Pki::new(wait::now())?;
        let other = Domain::of_the_other_forest();
        let [controller, other] = Domain::of_the_tests().start_with_forest(other, &network, &pki)?;
        Ok(Self { other, lab: Lab { controller, second: None, network, pki } })
    }

    /// The lab of `corp.example`, in which the broker stands; both forests are on its network and have certificates of its authority.
    #[must_use]
    pub fn lab(&self) -> &Lab {
        &self.lab
    }

    /// The controller of `beta.example`.
    #[must_use]
    pub fn other(&self) -> &DomainController {
        &self.other
    }

    /// A client like [`Lab::client`]'s that knows both realms.
    ///
    /// # Errors
    /// As for [`Lab::client`].
    pub fn client(&self, name: &str) -> Result<Container, DomainError> {
        self.lab.client_with(name, &[&self.other])
    }
}
