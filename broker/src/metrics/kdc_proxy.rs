//! What the KDC proxy counts.

use std::time::Duration;

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

/// Upper bounds of the classes of time, in seconds.
const BUCKETS: [f64; 9] = [0.002, 0.005, 0.01, 0.025, 0.1, 0.5, 2.0, 5.0, 15.0];

/// Declares an enum whose values are the words of a label.
macro_rules! label {
    ($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        pub enum $name {
            $($(#[$value_doc])* $value,)*
        }

        impl $name {
            /// The word, in the metrics and in the log.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => $word,)*
                }
            }
        }

        impl EncodeLabelValue for $name {
            fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
                EncodeLabelValue::encode(&self.as_str(), encoder)
            }
        }
    };
}

label! {
    /// What was asked for.
    Kind {
        /// AS-REQ.
        As = "as",
        /// TGS-REQ.
        Tgs = "tgs",
        /// A change of a password.
        Kpasswd = "kpasswd",
        /// It could not be read.
        Unknown = "unknown",
    }
}

label! {
    /// How a request ended.
    Outcome {
        /// The client has the KDC's ticket or reply.
        Answered = "answered",
        /// The client has the KDC's KRB-ERROR.
        KdcError = "kdc_error",
        /// The request was malformed, too long, or by another method.
        Malformed = "malformed",
        /// What was asked for is not forwarded.
        Refused = "refused",
        /// There was too much of it.
        Limited = "limited",
        /// No KDC answered.
        Unavailable = "unavailable",
        /// The client was too slow to send it.
        Slow = "slow",
    }
}

label! {
    /// The way a request came by.
    Path {
        /// The one everybody knows.
        Open = "open",
        /// The same, by a client whose certificate admits it.
        Certificate = "certificate",
        /// That of a session.
        Session = "session",
    }
}

label! {
    /// What there was too much of.
    Limit {
        /// Requests from an address.
        Address = "address",
        /// Failed logins from an address.
        AddressFailures = "address_failures",
        /// Failed logins of an account.
        ClientFailures = "client_failures",
        /// Requests at once.
        Upstream = "upstream",
    }
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct RequestLabels {
    realm: String,
    kind: Kind,
    path: Path,
    outcome: Outcome,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct RealmLabels {
    realm: String,
    kind: Kind,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ErrorLabels {
    realm: String,
    code: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct LimitLabels {
    limit: Limit,
}

/// The counters; clones count together.
#[derive(Clone, Debug)]
pub struct KdcProxyMetrics {
    requests: Family<RequestLabels, Counter>,
    request_octets: Counter,
    reply_octets: Counter,
    upstream_seconds: Family<RealmLabels, Histogram, fn() -> Histogram>,
    upstream_requests: Gauge,
    kdc_errors: Family<ErrorLabels, Counter>,
    limited: Family<LimitLabels, Counter>,
}

impl KdcProxyMetrics {
    pub(super) fn registered(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            request_octets: Counter::default(),
            reply_octets: Counter::default(),
            upstream_seconds: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            upstream_requests: Gauge::default(),
            kdc_errors: Family::default(),
            limited: Family::default(),
        };
        let Self {
            requests,
            request_octets,
            reply_octets,
            upstream_seconds,
            upstream_requests,
            kdc_errors,
            limited,
        } = metrics.clone();
        registry.register("requests", "Requests by realm, kind, path and how they ended", requests);
        registry.register("request_octets", "Octets of the bodies of requests", request_octets);
        registry.register("reply_octets", "Octets of the bodies of replies", reply_octets);
        let help = "Time until a KDC of the realm had answered, those that did not included";
        registry.register("upstream_seconds", help, upstream_seconds);
        registry.register("upstream_requests", "Requests that wait for a KDC", upstream_requests);
        registry.register("kdc_errors", "KRB-ERRORs by realm and code", kdc_errors);
        registry.register("limited", "Requests refused because there were too many", limited);
        metrics
    }

    /// A request has ended. `realm` is the configured one it was for, none if it was for none of these.
    pub fn ended(&self, realm: Option<&str>, kind: Kind, path: Path, outcome: Outcome) {
        let realm = realm.unwrap_or_default().to_owned();
        self.requests.get_or_create(&RequestLabels { realm, kind, path, outcome }).inc();
    }

    /// A body came or went.
    pub fn octets(&self, request: usize, reply: usize) {
        // The counters are of 64 bits, as are the lengths.
        self.request_octets.inc_by(u64::try_from(request).unwrap_or(u64::MAX));
        self.reply_octets.inc_by(u64::try_from(reply).unwrap_or(u64::MAX));
    }

    /// A KDC of the realm is being asked; the gauge falls again when what is returned is dropped.
    #[must_use]
    pub fn asking(&self) -> Asking {
        self.upstream_requests.inc();
        Asking(self.upstream_requests.clone())
    }

    /// KDCs of the realm were asked for this long.
    pub fn asked(&self, realm: &str, kind: Kind, took: Duration) {
        let labels = RealmLabels { realm: realm.to_owned(), kind };
        self.upstream_seconds.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// A KDC of the realm answered with a KRB-ERROR. `code` is the name the standard gives it, none for other numbers.
    pub fn kdc_error(&self, realm: &str, code: Option<&'static str>) {
        let labels = ErrorLabels { realm: realm.to_owned(), code: code.unwrap_or("other") };
        self.kdc_errors.get_or_create(&labels).inc();
    }

    /// A request was refused because there were too many.
    pub fn limited(&self, limit: Limit) {
        self.limited.get_or_create(&LimitLabels { limit }).inc();
    }
}

/// A request that waits for a KDC.
#[derive(Debug)]
pub struct Asking(Gauge);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.dec();
    }
}
