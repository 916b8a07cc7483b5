//! What the first step is told to believe, and everything that can be wrong with it.

use std::sync::Arc;
use std::time::Duration;

use der::asn1::ObjectIdentifier;
use rustls_pki_types::CertificateDer;
use x509_cert::name::Name;

use super::bundle::Bundle;
use super::certificate::ParsedCertificate;
use super::crl_store::CrlStoreSettings;
use super::fetch::{FetchSettings, Fetcher, LdapUrl, Url};
use super::inquiry::InquirySettings;
use super::issuer_store::IssuerFetchSettings;
use super::now::Now;
use super::path::{PolicyInputs, Root, Trust};
use super::revocation::{
    Checker, Crl, CrlError, IssuerOrder, OcspError, OcspResponse, Plan, Plans, Revocation, RevocationStep,
    newest_first, split, split_ocsp,
};
use super::signature::MAXIMUM_RSA_BITS;
use super::usage::{ANY_EXTENDED_KEY_USAGE, CardRules};

/// clientAuth (RFC 5280 section 4.2.1.12) and smartcardLogon (MS-WCCE), both required.
pub const DEFAULT_EXTENDED_KEY_USAGE: [&str; 2] = ["1.3.6.1.5.5.7.3.2", "1.3.6.1.4.1.311.20.2.2"];

/// The least RSA key size in bits; it cannot be set lower.
pub const MINIMUM_RSA_BITS: usize = 2048;

/// The configuration of the first step.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Trust anchors, DER. Only paths that end in one of them count.
    pub roots: Vec<CertificateDer<'static>>,
    /// CA certificates that help to build paths, and certificates of CRL signers, DER. They are not trusted by standing
    /// here.
    pub intermediates: Vec<CertificateDer<'static>>,
    /// Certificates to build paths with that nobody vouches for, DER, as a peer might send them: what cannot be read, or
    /// is no CA's, leads nowhere.
    pub hints: Vec<CertificateDer<'static>>,
    /// Where revocation is asked.
    pub revocation: Revocation,
    /// The bounds of what is asked over the network.
    pub inquiry: InquirySettings,
    /// Asks over the network.
    pub fetcher: Arc<Fetcher>,
    /// A directory of revocation lists beside those of [`Settings::revocation`], where there is one. It must have been looked at.
    pub bundle: Option<Arc<Bundle>>,
    /// How long before the end of a list its end is near; without it, a quarter of its life.
    pub list_warning: Option<Duration>,
    /// The bounds of lists that are fetched.
    pub crl_store: CrlStoreSettings,
    /// Where certificates of issuers are fetched that a chain does not bring; without it, nowhere.
    pub issuer_fetch: Option<IssuerFetchSettings>,
    /// The certificate policies a path must be valid for.
    pub policies: Policies,
    /// Whether the rules for cards hold.
    pub usage: Usage,
    /// The purposes a card must have, all of them, as dotted object identifiers.
    pub extended_key_usage: Vec<String>,
    /// anyExtendedKeyUsage stands for every purpose.
    pub accept_any_extended_key_usage: bool,
    /// The least RSA key size of every key of a path, in bits; at least [`MINIMUM_RSA_BITS`].
    pub minimum_rsa_bits: usize,
    /// The least size of every elliptic curve of a path, in bits: 256, 384 or 521.
    pub minimum_curve_bits: usize,
    /// The shortest hash of every signature of a path, in bits: 256, 384 or 512.
    pub minimum_hash_bits: usize,
    /// The longest time a card's certificate may be valid for, from its notBefore to its notAfter.
    pub maximum_validity: Option<Duration>,
    /// The names of the authorities that may issue cards, RFC 4514; none means all below the roots.
    pub issuers: Vec<String>,
}

impl Settings {
    /// The defaults for a set of roots: clientAuth and smartcardLogon, RSA-2048, and no revocation source, so
    /// that every login is refused until one is set.
    #[must_use]
    pub fn new(roots: Vec<CertificateDer<'static>>) -> Self {
        Self {
            roots,
            intermediates: Vec::new(),
            hints: Vec::new(),
            revocation: Revocation::NotConfigured,
            inquiry: InquirySettings::default(),
            fetcher: Arc::new(Fetcher::new(FetchSettings::default())),
            bundle: None,
            list_warning: None,
            crl_store: CrlStoreSettings::default(),
            issuer_fetch: None,
            policies: Policies::default(),
            usage: Usage::Card,
            extended_key_usage: DEFAULT_EXTENDED_KEY_USAGE.map(str::to_owned).to_vec(),
            accept_any_extended_key_usage: false,
            minimum_rsa_bits: MINIMUM_RSA_BITS,
            minimum_curve_bits: 256,
            minimum_hash_bits: 256,
            maximum_validity: None,
            issuers: Vec::new(),
        }
    }
}

impl Settings {
    /// The same rules without certificates or a source of revocation.
    pub(super) fn rules(&self) -> Self {
        Self {
            roots: Vec::new(),
            intermediates: Vec::new(),
            hints: Vec::new(),
            revocation: Revocation::NotConfigured,
            inquiry: self.inquiry,
            fetcher: Arc::clone(&self.fetcher),
            bundle: None,
            list_warning: None,
            crl_store: self.crl_store,
            issuer_fetch: None,
            policies: self.policies.clone(),
            usage: self.usage,
            extended_key_usage: self.extended_key_usage.clone(),
            accept_any_extended_key_usage: self.accept_any_extended_key_usage,
            minimum_rsa_bits: self.minimum_rsa_bits,
            minimum_curve_bits: self.minimum_curve_bits,
            minimum_hash_bits: self.minimum_hash_bits,
            maximum_validity: self.maximum_validity,
            issuers: self.issuers.clone(),
        }
    }
}

/// What a certificate is looked at for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Usage {
    /// To log in: the rules for cards hold.
    #[default]
    Card,
    /// For nothing in particular: neither purpose nor key usage is asked for, and a CA's certificate will do. For an
    /// administrator who wants to know what is the matter with a path, never for a login.
    Anything,
}

/// The inputs of path validation that concern policies (RFC 5280 section 6.1.1 (c), (e), (f), (g)).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Policies {
    /// The policies that count, as dotted object identifiers; none means any.
    pub accepted: Vec<String>,
    /// Whether the path must be valid for each of the accepted policies, or for one of them.
    pub all: bool,
    /// The path must be valid for an accepted policy; otherwise only what the certificates themselves demand counts.
    pub explicit: bool,
    /// anyPolicy in a certificate counts as no policy.
    pub inhibit_any: bool,
    /// No policy is taken for another one.
    pub inhibit_mapping: bool,
}

/// All problems of a configuration at once.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SettingsError {
    problems: Vec<SettingsProblem>,
}

impl SettingsError {
    /// The problems, in the order of the settings.
    #[must_use]
    pub fn problems(&self) -> &[SettingsProblem] {
        &self.problems
    }
}

impl std::fmt::Display for SettingsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let texts: Vec<String> = self.problems.iter().map(ToString::to_string).collect();
        f.write_str(&texts.join("; "))
    }
}

impl std::error::Error for SettingsError {}

/// One problem of a configuration. Indices count from 0, certificates within their list.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsProblem {
    /// Nothing could ever be trusted.
    #[error("no root certificate is configured")]
    NoRoots,
    /// A root cannot be one.
    #[error("root certificate {index} cannot be used: {reason}")]
    Root {
        /// Its index.
        index: usize,
        /// Why not.
        reason: String,
    },
    /// All roots have ended or not begun.
    #[error("no root certificate is valid at this time")]
    NoRootIsValid,
    /// An intermediate cannot be one.
    #[error("intermediate certificate {index} cannot be used: {reason}")]
    Intermediate {
        /// Its index.
        index: usize,
        /// Why not.
        reason: String,
    },
    /// A CRL file cannot be read.
    #[error("CRL file {index} cannot be used: {error}")]
    Crl {
        /// The file's index.
        index: usize,
        /// Why not.
        error: CrlError,
    },
    /// A file of OCSP responses cannot be read.
    #[error("OCSP file {index} cannot be used: {error}")]
    Ocsp {
        /// The file's index.
        index: usize,
        /// Why not.
        error: OcspError,
    },
    /// Revocation by CRL is configured without a CRL.
    #[error("revocation by CRL is configured, but no CRL file")]
    NoCrls,
    /// Revocation in a declared order is configured without any order.
    #[error("no order of revocation sources is declared")]
    NoOrders,
    /// An issuer's order of sources cannot be followed.
    #[error("order {index} of revocation sources cannot be used: {reason}")]
    Order {
        /// Its index.
        index: usize,
        /// Why not.
        reason: String,
    },
    /// A required purpose is not an object identifier.
    #[error("{text:?} is not an object identifier")]
    ExtendedKeyUsage {
        /// The text.
        text: String,
    },
    /// An accepted policy is not an object identifier.
    #[error("{text:?} is not an object identifier of a policy")]
    Policy {
        /// The text.
        text: String,
    },
    /// anyExtendedKeyUsage says nothing and cannot be required.
    #[error("anyExtendedKeyUsage cannot be required")]
    AnyExtendedKeyUsage,
    /// No purpose is required, so that any certificate of the roots would do.
    #[error("no extended key usage is required")]
    NoExtendedKeyUsage,
    /// A name of an issuer is not RFC 4514.
    #[error("{text:?} is not a distinguished name, such as \"CN=Issuing CA,O=Corp\"")]
    Issuer {
        /// The text.
        text: String,
    },
    /// A least size of curves or hashes is none that exists.
    #[error("{bits} bits is no size of a {what}")]
    Bits {
        /// A curve or a hash.
        what: &'static str,
        /// The size.
        bits: usize,
    },
    /// The least RSA size is out of bounds.
    #[error("the least RSA key size must lie between {MINIMUM_RSA_BITS} and {MAXIMUM_RSA_BITS} bits")]
    RsaBits,
    /// The clock stands outside 1970 to 9999.
    #[error("the clock of this host is unusable")]
    ClockUnusable,
}

/// The settings in the form the validator works with.
pub(super) struct Compiled {
    pub(super) trust: Trust,
    pub(super) rules: CardRules,
    pub(super) revocation: Checker,
}

/// Reads everything once.
pub(super) fn compile(settings: Settings, now: std::time::SystemTime) -> Result<Compiled, SettingsError> {
    let mut problems = Vec::new();
    let roots = roots(&settings.roots, now, &mut problems);
    let mut intermediates = intermediates(&settings.intermediates, &mut problems);
    intermediates.extend(settings.hints.iter().filter_map(|hint| ParsedCertificate::parse(hint).ok()));
    let extended_key_usage = purposes(&settings.extended_key_usage, &mut problems);
    let minimum_rsa_bits = settings.minimum_rsa_bits;
    if !(MINIMUM_RSA_BITS..=MAXIMUM_RSA_BITS).contains(&minimum_rsa_bits) {
        problems.push(SettingsProblem::RsaBits);
    }
    for (what, bits, known) in [
        ("curve", settings.minimum_curve_bits, [256, 384, 521]),
        ("hash", settings.minimum_hash_bits, [256, 384, 512]),
    ] {
        if !known.contains(&bits) {
            problems.push(SettingsProblem::Bits { what, bits });
        }
    }
    let issuers = issuers(&settings.issuers, &mut problems);
    let policies = policies(&settings.policies, &mut problems);
    let trust = Trust::new(roots, intermediates, policies, minimum_rsa_bits);
    let bundled = settings.bundle.is_some();
    let revocation = checker(settings.revocation, bundled, &trust, &mut problems);
    if !problems.is_empty() {
        return Err(SettingsError { problems });
    }
    let rules = CardRules {
        usage: settings.usage,
        extended_key_usage,
        accept_any_extended_key_usage: settings.accept_any_extended_key_usage,
        minimum_rsa_bits,
        minimum_curve_bits: settings.minimum_curve_bits,
        minimum_hash_bits: settings.minimum_hash_bits,
        maximum_validity: settings.maximum_validity,
        issuers,
    };
    Ok(Compiled { trust, rules, revocation })
}

fn roots(
    configured: &[CertificateDer<'static>],
    now: std::time::SystemTime,
    problems: &mut Vec<SettingsProblem>,
) -> Vec<Root> {
    if configured.is_empty() {
        problems.push(SettingsProblem::NoRoots);
    }
    let mut roots = Vec::with_capacity(configured.len());
    for (index, encoded) in configured.iter().enumerate() {
        match Root::parse(encoded) {
            Ok(root) => roots.push(root),
            Err(error) => problems.push(SettingsProblem::Root { index, reason: error.to_string() }),
        }
    }
    let Ok(now) = Now::new(now) else {
        problems.push(SettingsProblem::ClockUnusable);
        return roots;
    };
    let valid = |root: &Root| {
        let (not_before, not_after) = root.certificate.validity();
        (not_before..=not_after).contains(&now.seconds())
    };
    if !roots.is_empty() && !roots.iter().any(valid) {
        problems.push(SettingsProblem::NoRootIsValid);
    }
    roots
}

fn intermediates(
    configured: &[CertificateDer<'static>],
    problems: &mut Vec<SettingsProblem>,
) -> Vec<ParsedCertificate> {
    let mut intermediates = Vec::with_capacity(configured.len());
    for (index, encoded) in configured.iter().enumerate() {
        match ParsedCertificate::parse(encoded) {
            Ok(certificate) if certificate.is_ca() || certificate.may_sign_crls() => {
                intermediates.push(certificate);
            }
            Ok(_) => {
                let reason = "it is neither a CA certificate nor one that signs CRLs".to_owned();
                problems.push(SettingsProblem::Intermediate { index, reason });
            }
            Err(error) => problems.push(SettingsProblem::Intermediate { index, reason: error.to_string() }),
        }
    }
    intermediates
}

fn purposes(configured: &[String], problems: &mut Vec<SettingsProblem>) -> Vec<ObjectIdentifier> {
    if configured.is_empty() {
        problems.push(SettingsProblem::NoExtendedKeyUsage);
    }
    let mut purposes = Vec::with_capacity(configured.len());
    for text in configured {
        match ObjectIdentifier::new(text) {
            Ok(ANY_EXTENDED_KEY_USAGE) => problems.push(SettingsProblem::AnyExtendedKeyUsage),
            Ok(oid) => purposes.push(oid),
            Err(_) => problems.push(SettingsProblem::ExtendedKeyUsage { text: text.clone() }),
        }
    }
    purposes
}

fn issuers(configured: &[String], problems: &mut Vec<SettingsProblem>) -> Vec<Name> {
    let mut issuers = Vec::with_capacity(configured.len());
    for text in configured {
        match text.parse::<Name>() {
            Ok(name) if !name.is_empty() => issuers.push(name),
            _ => problems.push(SettingsProblem::Issuer { text: text.clone() }),
        }
    }
    issuers
}

fn policies(configured: &Policies, problems: &mut Vec<SettingsProblem>) -> PolicyInputs {
    let mut accepted = Vec::with_capacity(configured.accepted.len());
    for text in &configured.accepted {
        match ObjectIdentifier::new(text) {
            Ok(oid) => accepted.push(oid),
            Err(_) => problems.push(SettingsProblem::Policy { text: text.clone() }),
        }
    }
    PolicyInputs {
        accepted,
        all: configured.all,
        explicit: configured.explicit,
        inhibit_any: configured.inhibit_any,
        inhibit_mapping: configured.inhibit_mapping,
    }
}

/// Reads the CRLs, and looks among the configured CAs for the key that signed each.
fn checker(
    revocation: Revocation,
    bundled: bool,
    trust: &Trust,
    problems: &mut Vec<SettingsProblem>,
) -> Checker {
    let (files, ocsp, partial) = match revocation {
        Revocation::Ordered { crls, issuers } => {
            let plans = plans(issuers, problems);
            return Checker::Ordered { crls: read_lists(crls, trust, problems), plans };
        }
        Revocation::Off => return Checker::Off,
        Revocation::NotConfigured => return Checker::NotConfigured,
        Revocation::Crls(files) => (files, Vec::new(), false),
        Revocation::Files { crls, ocsp, partial } => (crls, ocsp, partial),
    };
    if files.is_empty() && ocsp.is_empty() && !bundled {
        problems.push(SettingsProblem::NoCrls);
    }
    let crls = read_lists(files, trust, problems);
    Checker::Lists { crls, responses: responses(ocsp, problems), partial }
}

/// The lists of files, the newest first.
fn read_lists(files: Vec<Vec<u8>>, trust: &Trust, problems: &mut Vec<SettingsProblem>) -> Vec<Arc<Crl>> {
    let mut crls = Vec::with_capacity(files.len());
    for (index, file) in files.into_iter().enumerate() {
        let blocks = split(file);
        if blocks.is_empty() {
            problems.push(SettingsProblem::Crl { index, error: CrlError::Encoding });
        }
        for block in blocks {
            match Crl::parse(&block) {
                Ok(crl) => crls.push(Arc::new(signer_found(crl, trust))),
                Err(error) => problems.push(SettingsProblem::Crl { index, error }),
            }
        }
    }
    newest_first(&mut crls);
    crls
}

/// Reads the orders of the issuers, of which each has one.
fn plans(orders: Vec<IssuerOrder>, problems: &mut Vec<SettingsProblem>) -> Plans {
    if orders.is_empty() {
        problems.push(SettingsProblem::NoOrders);
    }
    let mut plans: Vec<Plan> = Vec::with_capacity(orders.len());
    for (index, settings) in orders.into_iter().enumerate() {
        let mut wrong = |reason: &str| {
            problems.push(SettingsProblem::Order { index, reason: reason.to_owned() });
        };
        if settings.order.is_empty() {
            wrong("it names no source");
        }
        let names = |step| settings.order.contains(&step);
        if settings
            .order
            .iter()
            .enumerate()
            .any(|(place, step)| settings.order.iter().skip(place + 1).any(|other| other == step))
        {
            wrong("it names a source twice");
        }
        if names(RevocationStep::AlternateOcsp) == settings.alternate_ocsp.is_empty() {
            wrong("alternate_ocsp stands in its order exactly if responders are named for it");
        }
        if settings.order == [RevocationStep::Cached] {
            wrong("nothing is ever asked that could be remembered");
        }
        let only_at_a_login = |step| matches!(step, RevocationStep::Stapled | RevocationStep::Cached);
        if names(RevocationStep::Stapled) && settings.order.iter().copied().all(only_at_a_login) {
            wrong("what comes along at a login says nothing while the session lives; name a further source");
        }
        if ![16, 32].contains(&settings.manner.nonce_octets) {
            wrong("a nonce has 16 or 32 octets");
        }
        for error in settings.alternate_ocsp.iter().filter_map(|url| url.parse::<Url>().err()) {
            wrong(&format!("a responder is asked by an http url: {error}"));
        }
        let follows = |url: &String| {
            url.parse::<Url>().map(drop).or_else(|error| url.parse::<LdapUrl>().map(drop).map_err(|_| error))
        };
        for error in settings.crl_urls.iter().filter_map(|url| follows(url).err()) {
            wrong(&error.to_string());
        }
        let mut responders = Vec::with_capacity(settings.responders.len());
        for responder in &settings.responders {
            match ParsedCertificate::parse(responder) {
                Ok(responder) => responders.push(responder),
                Err(error) => wrong(&format!("a responder's certificate: {error}")),
            }
        }
        let issuer = match settings.issuer.as_deref().map(str::parse::<Name>) {
            Some(Ok(name)) if !name.is_empty() => Some(name),
            None => None,
            Some(_) => {
                wrong("its issuer is not a distinguished name");
                continue;
            }
        };
        let same = |other: &Plan| match (&other.issuer, &issuer) {
            (None, None) => true,
            (Some(one), Some(other)) => certval::compare_names(one, other),
            _ => false,
        };
        if plans.iter().any(same) {
            wrong("its issuer has an order already");
        }
        plans.push(Plan { issuer, settings, responders });
    }
    Plans(plans)
}

fn responses(files: Vec<Vec<u8>>, problems: &mut Vec<SettingsProblem>) -> Vec<OcspResponse> {
    let mut responses = Vec::with_capacity(files.len());
    for (index, file) in files.into_iter().enumerate() {
        let blocks = split_ocsp(file);
        if blocks.is_empty() {
            problems.push(SettingsProblem::Ocsp { index, error: OcspError::Encoding });
        }
        for block in blocks {
            match OcspResponse::parse(&block) {
                Ok(response) => responses.push(response),
                Err(error) => problems.push(SettingsProblem::Ocsp { index, error }),
            }
        }
    }
    responses
}

/// Asks now whether a configured CA signed the list, so that no login has to wait for it.
fn signer_found(crl: Crl, trust: &Trust) -> Crl {
    let named =
        trust.authorities().filter(|authority| certval::compare_names(authority.subject(), crl.issuer()));
    for authority in named {
        if crl.is_signed_by(authority) {
            break;
        }
    }
    crl
}
