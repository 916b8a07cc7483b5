//! What conditions of policies say: texts that they compare with values which are never spelt so, and whether they ask for groups of targets.
//!
//! Services are told to policies in small letters. `context.service == "HTTP"` therefore never holds, and a forbid with it forbids nothing;
//! neither language nor schema can say so. Where all values of an attribute have one spelling, a text that has another is refused when
//! the policy is loaded.

use serde_json::Value;

use super::compiled::TextFault;
use super::origin::Channel;

/// How the values of an attribute are spelt.
#[derive(Clone, Copy)]
enum Spelling {
    Small,
    Capital,
    Channel,
    Strength,
}

/// The attributes whose values have one spelling, by their names in the schema, where no two are called alike.
const ATTRIBUTES: [(&str, Spelling); 11] = [
    ("service", Spelling::Small),
    ("host", Spelling::Small),
    ("label", Spelling::Small),
    ("domain", Spelling::Small),
    ("serial", Spelling::Small),
    ("thumbprint", Spelling::Small),
    ("source", Spelling::Small),
    ("realm", Spelling::Capital),
    ("sid", Spelling::Capital),
    ("channel", Spelling::Channel),
    ("strength", Spelling::Strength),
];

impl Spelling {
    /// Whether a value can be this text.
    fn fits(self, text: &str) -> bool {
        match self {
            Self::Small => !text.bytes().any(|octet| octet.is_ascii_uppercase()),
            Self::Capital => !text.bytes().any(|octet| octet.is_ascii_lowercase()),
            Self::Channel => Channel::ALL.iter().any(|channel| channel.as_str() == text),
            Self::Strength => ["strong", "weak"].contains(&text),
        }
    }

    /// Whether this can be a part of a value.
    fn fits_part(self, text: &str) -> bool {
        match self {
            Self::Channel | Self::Strength => Self::Small.fits(text),
            Self::Small | Self::Capital => self.fits(text),
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Small => "it is in small letters",
            Self::Capital => "it is in capitals",
            Self::Channel => "it is card_listener, terminator, gateway_with_proof or gateway_without_proof",
            Self::Strength => "it is strong or weak",
        }
    }
}

/// Every such comparison of a policy.
pub(super) fn faults(policy: &cedar_policy::Policy) -> Vec<TextFault> {
    let mut faults = Vec::new();
    each_operator(policy, |operator, operands| comparison(operator, operands, &mut faults));
    faults
}

/// Whether a condition asks in which groups a target is: `resource in Kerbridge::Group::"..."`, or in one of a set of them.
pub(super) fn asks_for_groups_of_targets(policy: &cedar_policy::Policy) -> bool {
    let mut asks = false;
    each_operator(policy, |operator, operands| {
        let is_in = matches!(operator, "in" | "is") && is_resource(side(operands, "left"));
        let others = if operator == "in" { side(operands, "right") } else { side(operands, "in") };
        each(others, &mut |other| asks |= is_in && is_group(other));
    });
    asks
}

fn is_resource(expression: &Value) -> bool {
    expression.get("Var").and_then(Value::as_str) == Some("resource")
}

fn is_group(expression: &Value) -> bool {
    let entity = expression.get("Value").and_then(|value| value.get("__entity"));
    entity.and_then(|entity| entity.get("type")).and_then(Value::as_str) == Some("Kerbridge::Group")
}

/// Shows every operator of the conditions, with what it is about.
fn each_operator(policy: &cedar_policy::Policy, mut seen: impl FnMut(&str, &Value)) {
    // What can be parsed can be written; a policy that is none is refused before.
    let Ok(written) = policy.to_json() else { return };
    let mut rest: Vec<&Value> = written.get("conditions").into_iter().collect();
    while let Some(next) = rest.pop() {
        match next {
            Value::Array(parts) => rest.extend(parts),
            Value::Object(parts) => {
                parts.iter().for_each(|(operator, operands)| seen(operator, operands));
                rest.extend(parts.values());
            }
            _ => {}
        }
    }
}

fn side<'v>(operands: &'v Value, name: &str) -> &'v Value {
    operands.get(name).unwrap_or(&Value::Null)
}

fn comparison(operator: &str, operands: &Value, faults: &mut Vec<TextFault>) {
    let (left, right) = (side(operands, "left"), side(operands, "right"));
    match operator {
        "==" | "!=" | "contains" | "containsAll" | "containsAny" => {
            for (one, other) in [(left, right), (right, left)] {
                each(one, &mut |one| {
                    let Some((attribute, spelling)) = attribute(one) else { return };
                    each(other, &mut |other| {
                        let text = other.get("Value").and_then(Value::as_str);
                        if let Some(text) = text.filter(|text| !spelling.fits(text)) {
                            faults.push(fault(attribute, spelling, text));
                        }
                    });
                });
            }
        }
        "like" => {
            let Some((attribute, spelling)) = attribute(left) else { return };
            // Letter by letter, and the word `Wildcard` for an asterisk.
            let parts = side(operands, "pattern").as_array().into_iter().flatten();
            let parts = parts.map(|part| part.get("Literal").and_then(Value::as_str).unwrap_or("*"));
            let pattern: String = parts.collect();
            if !spelling.fits_part(&pattern) {
                faults.push(fault(attribute, spelling, &pattern));
            }
        }
        _ => {}
    }
}

/// An expression, or where it is a set, each of its members.
fn each(expression: &Value, seen: &mut impl FnMut(&Value)) {
    match expression.get("Set").and_then(Value::as_array) {
        Some(members) => members.iter().for_each(seen),
        None => seen(expression),
    }
}

fn attribute(expression: &Value) -> Option<(&'static str, Spelling)> {
    let name = expression.get(".")?.get("attr")?.as_str()?;
    ATTRIBUTES.into_iter().find(|(attribute, _)| *attribute == name)
}

fn fault(attribute: &'static str, spelling: Spelling, text: &str) -> TextFault {
    TextFault::Spelling { attribute, text: text.to_owned(), spelling: spelling.words() }
}
