//! Variables, arguments and the directives `@include` and `@skip`.

use graphql_parser::query::{Definition, Directive, Field, OperationDefinition, Type, Value as Literal};
use serde_json::{Map, Value, json};

use super::{Query, Text};

/// The variables of a query with their defaults. Errors when a required one is missing.
pub(super) fn variables(document: &Query<'_>, given: &Value) -> Result<Map<String, Value>, Value> {
    let mut variables = Map::new();
    for definition in &document.definitions {
        let Definition::Operation(OperationDefinition::Query(query)) = definition else { continue };
        for variable in &query.variable_definitions {
            let value = match given.get(&variable.name) {
                Some(value) => value.clone(),
                None => variable.default_value.as_ref().map_or(Value::Null, |d| literal(d, &Map::new())),
            };
            if value.is_null() && matches!(variable.var_type, Type::NonNullType(_)) {
                let (name, kind) = (&variable.name, &variable.var_type);
                return Err(json!({
                    "message": format!("Variable ${name} of type {kind} was provided invalid value"),
                    "locations": [super::place(variable.position)],
                    "extensions": {"value": value, "problems": [{"explanation": "Expected value to not be null"}]},
                }));
            }
            variables.insert(variable.name.clone(), value);
        }
    }
    Ok(variables)
}

/// A literal with its variables filled in.
fn literal(value: &Literal<'_, Text>, variables: &Map<String, Value>) -> Value {
    match value {
        Literal::Variable(name) => variables.get(name).cloned().unwrap_or_default(),
        Literal::Int(number) => json!(number.as_i64()),
        Literal::Float(number) => json!(number),
        Literal::String(text) => json!(text),
        Literal::Boolean(yes) => json!(yes),
        Literal::Null => Value::Null,
        Literal::Enum(name) => json!(name),
        Literal::List(items) => items.iter().map(|i| literal(i, variables)).collect(),
        Literal::Object(fields) => {
            Value::Object(fields.iter().map(|(k, v)| (k.clone(), literal(v, variables))).collect())
        }
    }
}

pub(super) fn included(directives: &[Directive<'_, Text>], variables: &Map<String, Value>) -> bool {
    directives.iter().all(|d| {
        let condition = d.arguments.iter().find(|(name, _)| name == "if");
        let yes = condition.is_some_and(|(_, v)| literal(v, variables) == Value::Bool(true));
        match d.name.as_str() {
            "include" => yes,
            "skip" => !yes,
            _ => true,
        }
    })
}

/// The arguments of one field.
pub(super) struct Arguments(Map<String, Value>);

impl Arguments {
    pub(super) fn of(field: &Field<'_, Text>, variables: &Map<String, Value>) -> Self {
        let values = field.arguments.iter().map(|(name, value)| (name.clone(), literal(value, variables)));
        Self(values.filter(|(_, v)| !v.is_null()).collect())
    }

    pub(super) fn get(&self, name: &str) -> &Value {
        self.0.get(name).unwrap_or(&Value::Null)
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.get(name).as_str()
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.get(name).as_u64()
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.get(name).as_bool().unwrap_or_default()
    }

    /// The strings or enum names of a list argument; `None` when it is not given.
    pub(super) fn names(&self, name: &str) -> Option<Vec<&str>> {
        match self.get(name) {
            Value::Array(items) => Some(items.iter().filter_map(Value::as_str).collect()),
            Value::String(one) => Some(vec![one]),
            _ => None,
        }
    }
}
