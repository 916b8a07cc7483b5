//! Why nothing permitted: the policies that came closest, and what they would have taken.

use cedar_policy::{Effect, PolicySet, PrincipalConstraint};
use serde_json::{Value, json};

use super::compiled::Compiled;
use super::decide::Request;
use super::denial::{Missing, NearMiss};
use super::engine::{Policy, Question, Slice};
use super::rule::{CompiledRule, Membership};

/// Most policies a denial names.
const NEAR_MISSES: usize = 5;
/// Most policies of files that are asked for what they miss.
const ASKED: usize = 32;
/// Most letters of a clause that are shown.
const SHOWN: usize = 200;

impl Policy {
    /// What the rules miss, and the permits of files that are about the target.
    pub(super) fn near_misses(
        &self,
        request: &Request,
        membership: &Membership,
        slice: &Slice<'_>,
        question: &Question,
        asked: &cedar_policy::Request,
    ) -> Vec<NearMiss> {
        let of_rule = |rule: &CompiledRule| NearMiss {
            policy: rule.id.clone(),
            missing: missing(rule, membership, request),
        };
        let of_policy = |policy: &&Compiled| NearMiss {
            policy: policy.id.clone(),
            missing: unmet(policy, question, asked),
        };
        let of_files =
            slice.policies.iter().filter(|policy| policy.rule.is_none() && policy.effect == Effect::Permit);
        let all = self.rules.iter().map(of_rule).chain(of_files.take(ASKED).map(of_policy));
        closest(all.collect())
    }
}

/// What does not fit a rule.
fn missing(rule: &CompiledRule, membership: &Membership, request: &Request) -> Vec<Missing> {
    let mut missing = Vec::new();
    if membership.among(&rule.groups).is_empty() {
        missing.push(Missing::Group(rule.groups.iter().map(ToString::to_string).collect()));
    }
    if !rule.targets.iter().any(|pattern| pattern.matches(&request.target.host)) {
        missing.push(Missing::Target(rule.targets.iter().map(ToString::to_string).collect()));
    }
    let gateway = &request.circumstances.gateway;
    if let Some(gateways) = rule.gateways.as_ref().filter(|gateways| !gateways.contains(gateway)) {
        missing.push(Missing::Gateway(gateways.iter().cloned().collect()));
    }
    missing
}

/// Those that lack one thing only, then those that lack two, in the order of the configuration. A rule that fits neither
/// the account nor the target says nothing about this request and is left out, and so is what lacks nothing that could be told.
fn closest(mut near_misses: Vec<NearMiss>) -> Vec<NearMiss> {
    near_misses.retain(|near_miss| {
        let lacks = |which: fn(&Missing) -> bool| near_miss.missing.iter().any(which);
        let is_stranger = lacks(|missing| matches!(missing, Missing::Group(_)))
            && lacks(|missing| matches!(missing, Missing::Target(_)));
        !near_miss.missing.is_empty() && !is_stranger
    });
    near_misses.sort_by_key(|near_miss| near_miss.missing.len());
    near_misses.truncate(NEAR_MISSES);
    near_misses
}

/// Which parts of a policy do not hold. Each is asked as a policy of its own; of the parts of one clause only the first that does not hold is
/// told, since later ones may presuppose it.
fn unmet(compiled: &Compiled, question: &Question, asked: &cedar_policy::Request) -> Vec<Missing> {
    let Some(policy) = compiled.policy() else { return Vec::new() };
    let Ok(whole) = policy.to_json() else { return Vec::new() };
    let mut unmet = Vec::new();
    if policy.principal_constraint() != PrincipalConstraint::Any {
        let scope = whole.get("principal").cloned().unwrap_or_default();
        if holds(&part(&scope, &json!([])), question, asked) == Some(false) {
            unmet.push(Missing::Principal(principal(&policy.principal_constraint())));
        }
    }
    let clauses = whole.get("conditions").and_then(Value::as_array).cloned().unwrap_or_default();
    for clause in clauses {
        let kind = clause.get("kind").cloned().unwrap_or_default();
        let body = clause.get("body").cloned().unwrap_or_default();
        let parts = if kind == "when" { conjuncts(body) } else { vec![body] };
        let first = parts.into_iter().find_map(|body| {
            let part = part(&json!({ "op": "All" }), &json!([{ "kind": kind.clone(), "body": body }]));
            (holds(&part, question, asked) != Some(true)).then_some(part)
        });
        unmet.extend(first.and_then(|part| clause_text(&part, kind == "unless")).map(Missing::Clause));
    }
    unmet
}

/// `a && b && c` as its parts.
fn conjuncts(body: Value) -> Vec<Value> {
    let mut parts = Vec::new();
    let mut rest = vec![body];
    while let Some(next) = rest.pop() {
        let both = next.get("&&").and_then(|both| Some((both.get("left")?, both.get("right")?)));
        match both {
            Some((left, right)) => rest.extend([right.clone(), left.clone()]),
            None => parts.push(next),
        }
    }
    parts
}

fn part(principal: &Value, conditions: &Value) -> Value {
    let all = json!({ "op": "All" });
    json!({ "effect": "permit", "principal": principal, "action": all, "resource": all, "conditions": conditions })
}

fn holds(part: &Value, question: &Question, asked: &cedar_policy::Request) -> Option<bool> {
    let policy = cedar_policy::Policy::from_json(None, part.clone()).ok()?;
    question.ask(&PolicySet::from_policies([policy]).ok()?, asked).ok()
}

/// The text between the braces of a policy that has one clause.
fn clause_text(part: &Value, is_unless: bool) -> Option<String> {
    let text = cedar_policy::Policy::from_json(None, part.clone()).ok()?.to_string();
    let clause = text.split_once('{')?.1.rsplit_once('}')?.0;
    let clause = clause.split_whitespace().collect::<Vec<_>>().join(" ");
    let shown: String = clause.chars().take(SHOWN).collect();
    let shown = if shown.len() < clause.len() { format!("{shown} ...") } else { shown };
    Some(if is_unless { format!("not ({shown})") } else { shown })
}

fn principal(constraint: &PrincipalConstraint) -> String {
    match constraint {
        PrincipalConstraint::Any => "everybody".to_owned(),
        PrincipalConstraint::In(group) => format!("members of {group}"),
        PrincipalConstraint::Eq(person) => person.to_string(),
        PrincipalConstraint::Is(kind) => format!("every {kind}"),
        PrincipalConstraint::IsIn(kind, group) => format!("every {kind} in {group}"),
    }
}
