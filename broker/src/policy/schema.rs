//! The schema that policies are held against.

use cedar_policy::{CedarSchemaError, Schema};

/// The schema's text, as published.
pub const SCHEMA: &str = include_str!("kerbridge.cedarschema");

/// Reads the schema.
///
/// # Errors
/// The text is not a schema; a test shows that it is one.
pub fn schema() -> Result<Schema, Box<CedarSchemaError>> {
    Schema::from_cedarschema_str(SCHEMA).map(|(schema, _)| schema).map_err(Box::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_is_sound_and_warns_of_nothing() {
        let (_, warnings) = Schema::from_cedarschema_str(SCHEMA).expect("a schema");
        assert_eq!(warnings.map(|warning| warning.to_string()).collect::<Vec<_>>(), Vec::<String>::new());
    }

    #[test]
    fn the_schema_has_the_four_actions_of_the_broker() {
        let schema = schema().expect("a schema");
        let mut actions: Vec<_> = schema.actions().map(ToString::to_string).collect();
        actions.sort();
        let expected = ["administer", "delegate", "login", "present_certificate"];
        assert_eq!(actions, expected.map(|action| format!("Kerbridge::Action::\"{action}\"")));
    }
}
