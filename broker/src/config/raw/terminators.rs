//! `[terminators]` and `[[terminator]]`: who may send certificates in headers to the card listener.

use std::path::PathBuf;

use ipnet::IpNet;
use toml::de::DeValue;

use super::Gateway;
use crate::{
    config::{
        document::{Located, Section, Value},
        problem::{Fault, Place},
        value::choice,
    },
    frontend::terminators::Form,
};

/// `[terminators]`.
#[derive(Debug)]
pub(in crate::config) struct Terminators {
    pub(in crate::config) place: Place,
    pub(in crate::config) client_ca: Option<Located<PathBuf>>,
    pub(in crate::config) client_crls: Vec<Located<PathBuf>>,
    pub(in crate::config) all: Vec<Terminator>,
}

impl Terminators {
    /// Reads both; without them nobody may.
    pub(super) fn read(root: &Section<'_>) -> Option<Self> {
        // Asked for even where they are absent, so that they count as known tables.
        let (section, all) = (root.section("terminators"), root.sections("terminator"));
        if !root.has("terminators") && !root.has("terminator") {
            return None;
        }
        if all.is_empty() {
            let example = "[[terminator]] with name, dns_name, addresses and form".to_owned();
            root.problems().note(&root.place_of("terminator"), Fault::Missing { example });
        }
        let read = Self {
            place: section.place(),
            client_ca: section.required("client_ca"),
            client_crls: section.list("client_crls").unwrap_or_default(),
            all: all.into_iter().map(Terminator::read).collect(),
        };
        section.close();
        Some(read)
    }
}

/// `[[terminator]]`.
#[derive(Debug)]
pub(in crate::config) struct Terminator {
    /// Its name, and the certificate it is known by.
    pub(in crate::config) client: Gateway,
    pub(in crate::config) addresses: Option<Vec<Located<IpNet>>>,
    pub(in crate::config) form: Option<Located<Form>>,
    pub(in crate::config) forwarded_for: Option<Located<bool>>,
}

impl Terminator {
    fn read(section: Section<'_>) -> Self {
        let read = Self {
            client: Gateway::known_by(&section),
            addresses: section.required_list("addresses"),
            form: section.required("form"),
            forwarded_for: section.or("forwarded_for", false),
        };
        section.close();
        read
    }
}

impl Value for Form {
    const EXAMPLE: &'static str = "\"rfc9440\"";

    fn read(value: &DeValue<'_>) -> Result<Self, Fault> {
        const WORDS: [&str; 8] =
            ["rfc9440", "nginx", "apache", "haproxy", "envoy", "aws-alb", "aws-alb-leaf", "guacamole"];
        choice(value, &WORDS, &Self::ALL)
    }
}
