//! Rules of the configuration, written as the policies they stand for.

use std::fmt::Write as _;

use cedar_policy::EntityUid;

use super::compiled::{Action, Compiled, Fault, Key, Reader};
use super::literals::Kind;
use super::obligations::Obligations;
use super::rule::CompiledRule;
use super::target::TargetPattern;

/// The two policies of a rule: one for the session, one for the tickets of its services.
pub(super) fn policies(
    reader: &Reader<'_>,
    place: usize,
    rule: &CompiledRule,
) -> Result<[Compiled; 2], Vec<Fault>> {
    let keys: Vec<Key> = rule.targets.iter().map(|pattern| Key::In(about(pattern))).collect();
    let compile = |action: Action| {
        let compiled = reader.compile(&written(rule, action), &mut None)?;
        let services = rule.services.clone();
        Ok::<_, Vec<Fault>>(Compiled {
            keys: keys.clone(),
            services,
            rule: Some(place),
            obligations: obligations(rule),
            ..compiled
        })
    };
    Ok([compile(Action::Login)?, compile(Action::Delegate)?])
}

/// A rule's one lifetime is that of the session and of each of its tickets.
fn obligations(rule: &CompiledRule) -> Obligations {
    let lifetime = Some(rule.maximum_lifetime);
    Obligations { maximum_session: lifetime, maximum_ticket: lifetime, ..Obligations::default() }
}

/// The policy's text, as an administrator would write it.
fn written(rule: &CompiledRule, action: Action) -> String {
    let mut text = format!(
        "@id(\"{}\")\npermit(principal, action == Kerbridge::Action::\"{action}\", resource is Kerbridge::Target)",
        rule.id
    );
    let groups = rule.groups.iter().map(|group| Kind::Group.named(&group.to_string()));
    let mut when =
        |condition: String| write!(text, "\nwhen {{ {condition} }}").expect("a String takes every write");
    when(format!("principal in {}", set(groups.map(|group| group.to_string()))));
    let exact = rule.targets.iter().filter_map(|pattern| match pattern {
        TargetPattern::Exact(_) => Some(about(pattern).to_string()),
        TargetPattern::Below(_) => None,
    });
    let below = rule.targets.iter().filter_map(|pattern| match pattern {
        TargetPattern::Exact(_) => None,
        TargetPattern::Below(domain) => Some(quoted(domain)),
    });
    let places = [(set(exact), "resource"), (set(below), "resource.domain")];
    let places = places.iter().filter(|(set, _)| set != "[]");
    when(places.map(|(set, what)| format!("{set}.contains({what})")).collect::<Vec<_>>().join(" || "));
    if let Some(gateways) = &rule.gateways {
        let gateways = gateways.iter().map(|gateway| Kind::Gateway.named(gateway).to_string());
        when(format!("{}.contains(context.gateway)", set(gateways)));
    }
    if action == Action::Delegate {
        let services = rule.services.iter().map(|class| quoted(&class.as_str().to_ascii_lowercase()));
        when(format!("{}.contains(context.service)", set(services)));
    }
    text.push(';');
    text
}

/// The entity that all targets of a pattern are, or are in.
fn about(pattern: &TargetPattern) -> EntityUid {
    match pattern {
        TargetPattern::Exact(target) => Kind::Target.named(target.as_str()),
        TargetPattern::Below(domain) => Kind::Domain.named(domain),
    }
}

fn set(members: impl Iterator<Item = String>) -> String {
    format!("[{}]", members.collect::<Vec<_>>().join(", "))
}

/// Domains and service classes consist of letters, digits, hyphens, underscores and dots.
fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}
